"""The report opens from a file in any browser: nothing is asked for, nothing is wider than the screen, anybody can read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.notebooks.test_in_a_browser import serious
from tests.proofs.conftest import KnownLab


@pytest.fixture(scope="module")
def report(known_lab: KnownLab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    known_lab.home.flakehouse("report", "--out", str(folder))
    (file,) = folder.iterdir()
    return file


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_opens_by_itself_and_fits(browser: Any, report: Path, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 1000}, color_scheme=scheme)
    requests: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(report.as_uri())
    assert page.locator("figure svg g.role-mark > *").count() > 30
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious(page) == set()
    assert (requests, problems) == ([report.as_uri()], [])
    page.close()
