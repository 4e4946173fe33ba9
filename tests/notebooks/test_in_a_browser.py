"""In a browser every notebook shows charts with marks, its filters change them, and nothing beyond loopback is asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from pipelines.notebooks.page import NOTEBOOKS
from tests.notebooks.conftest import Served, serving

CHARTS = {"monday_review": 3, "flakiness": 4, "failures": 3, "devices": 5}
"""On the lab's warehouse, where there is enough of everything to draw."""

OF_MARIMO = {"button-name"}
"""Serious findings in marimo's own front end: the button of its menu has no name."""

PATIENCE = 600
"""Looks at a page, some a second, before one that does not settle is given up."""


class Opened:
    """A notebook in a page of its own, once all is drawn."""

    def __init__(
        self, browser: Any, served: Served, name: str, width: int = 1280, scheme: str = "light"
    ) -> None:
        self.requests: list[str] = []
        self.problems: list[str] = []
        self.runs = 0
        self.page = browser.new_page(viewport={"width": width, "height": 1000}, color_scheme=scheme)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", self._listen)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.goto(f"{served.url}/{name}/", timeout=60_000)
        self.settle(lambda: self.runs > 0 and self.charts.count() >= CHARTS[name])

    @property
    def charts(self) -> Any:
        return self.page.locator(".vega-embed:has(svg)")

    def drawn(self) -> str:
        """The marks of all charts."""
        return "".join(
            self.charts.locator("g.role-mark").evaluate_all("all => all.map(each => each.innerHTML)")
        )

    def said(self) -> list[str]:
        """What each chart says of itself."""
        return self.charts.evaluate_all("all => all.map(each => each.ariaLabel ?? '')")

    def settle(self, is_done: Callable[[], bool]) -> None:
        """Waits until it is done and stays as it is for three looks; what is waited for and does not come, fails."""
        seen: list[str] = []
        for _ in range(PATIENCE):
            seen = [*seen[-2:], self.drawn() + "".join(self.said())]
            if len(seen) == 3 and len(set(seen)) == 1 and is_done():
                return
            self.page.wait_for_timeout(150)
        pytest.fail(f"{self.page.url} did not settle: {self.charts.count()} charts, {self.errors()}")

    def filters(self) -> list[str]:
        labels = self.page.locator("marimo-dropdown:has(select) label").all_inner_texts()
        return [label for label in labels if self.page.get_by_label(label, exact=True).count() == 1]

    def choose(self, label: str, value: str, until: Callable[[], bool]) -> None:
        """Another of the filter's choices; waits until the notebook has run again and shows it."""
        before = self.runs
        self.page.get_by_label(label, exact=True).select_option(value)
        self.settle(lambda: self.runs > before and until())

    def _listen(self, socket: Any) -> None:
        self.requests.append(socket.url)
        socket.on("framereceived", self._count_run)

    def _count_run(self, frame: str | bytes) -> None:
        text = frame if isinstance(frame, str) else frame.decode()
        self.runs += '"completed-run"' in text

    def errors(self) -> list[str]:
        return [*self.problems, *self.page.locator("[class*='error']:visible").all_inner_texts()]


@pytest.fixture(params=NOTEBOOKS)
def opened(request: pytest.FixtureRequest, browser: Any, served: Served) -> Iterator[Opened]:
    notebook = Opened(browser, served, request.param)
    yield notebook
    notebook.page.close()


def test_its_charts_have_marks_and_filters_change_them(opened: Opened, served: Served) -> None:
    marks = [chart.locator("g.role-mark > *").count() for chart in opened.charts.all()]
    assert min(marks) > 0
    assert [text for text in opened.said() if not re.search(r"\bn (=|is) .*\d", text)] == []
    assert [text for text in opened.said() if not re.search(r"\d days| to \d+ ", text)] == []

    labels = opened.filters()
    assert {"Connection", "OS"} <= set(labels)
    for label in labels:
        choice = opened.page.get_by_label(label, exact=True)
        others = set(choice.locator("option").all_inner_texts()) - {choice.input_value()}
        at_first, said, drawn = choice.input_value(), opened.said(), opened.drawn()
        opened.choose(label, max(others), lambda: opened.said() != said)  # noqa: B023  called in this turn
        if label == "OS":
            opened.settle(lambda: opened.drawn() != drawn)  # noqa: B023
        opened.choose(label, at_first, lambda: opened.said() == said)  # noqa: B023
    assert opened.errors() == []

    ours = (served.url, served.url.replace("http", "ws"), "data:", "blob:")
    assert len(opened.requests) > 10
    assert [url for url in opened.requests if not url.startswith(ours)] == []
    assert served.asked_elsewhere() == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_on_a_telephone_in_the_dark_it_fits_and_nothing_serious_is_found(
    browser: Any, served: Served, name: str
) -> None:
    notebook = Opened(browser, served, name, width=390, scheme="dark")
    assert notebook.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert (
        max(notebook.charts.evaluate_all("all => all.map(each => each.getBoundingClientRect().right)")) <= 390
    )
    assert serious(notebook.page) <= OF_MARIMO
    notebook.page.close()


def test_a_browser_keeps_the_front_end_and_no_answer(browser: Any, served: Served) -> None:
    page = browser.new_page()
    kept: dict[str, set[str | None]] = {"assets": set(), "": set()}
    page.on(
        "response",
        lambda answer: kept["assets" if "/assets/" in answer.url else ""].add(
            answer.headers.get("cache-control")
        ),
    )
    page.goto(f"{served.url}/flakiness/")
    assert kept["assets"] == {"max-age=31536000, immutable"}
    assert not any("immutable" in (how or "") for how in kept[""])
    page.close()


def test_each_is_found_from_the_first_page(browser: Any, served: Served) -> None:
    page = browser.new_page()
    page.goto(served.url)
    names = [link.get_attribute("href").strip("/") for link in page.locator("main a").all()]
    assert names == list(NOTEBOOKS)
    assert serious(page) == set()
    page.close()


def test_the_server_ends_in_an_orderly_way_while_notebooks_are_open(
    browser: Any, marts_only: Path, tmp_path: Path
) -> None:
    with serving(marts_only, tmp_path) as served:
        notebook = Opened(browser, served, "flakiness")
        busy = browser.new_page()
        busy.goto(f"{served.url}/failures/")
        busy.locator("h1.head").wait_for(timeout=60_000)
    notebook.page.close()
    busy.close()
    assert (served.process.returncode, served.log.read_text().partition("Ctrl-C\n")[2]) == (0, "")


def serious(page: Any) -> set[str]:
    violations = Axe().run(page).response["violations"]
    return {each["id"] for each in violations if each["impact"] in ("serious", "critical")}
