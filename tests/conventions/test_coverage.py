"""docs/coverage.md says what is read of each API: nothing is asked that it does not name, nothing named is not asked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from pipelines.defs.sources import contracts
from pipelines.lib.probing import examined
from simlab.server import Lab
from tests.simlab.serving import serving
from tests.simlab.tiny_world import (
    MINUTE,
    NOON,
    TinyEnterpriseTester,
    TinyHcl,
    TinyPerfecto,
    assignment,
    script_run,
    test_run,
)
from tests.sources.hcl_test_server.test_executions import execution
from tests.sources.lab_and_lake import clock_of, connection_to

PAGE = (Path(__file__).parents[2] / "docs/coverage.md").read_text()
ROW = re.compile(r"^\| `(GET|POST) ([^`]+)` \| (.+) \|$", re.MULTILINE)
OPERATIONS = [match.groups() for match in ROW.finditer(PAGE)]
NAMES = {"perfecto": "acme", "hcl": "ots", "enterprise_tester": "et"}
FIRST = assignment("first")


@pytest.fixture(scope="module")
def asked() -> set[tuple[str, str]]:
    """Method and path, by setting, of everything that the sources ask a lab for."""
    found: set[tuple[str, str]] = set()
    for device_json in ("allowed", "forbidden"):
        with serving(
            TinyPerfecto([test_run(1, NOON)]),
            TinyHcl([execution("failed", NOON, status="INCOMPLETE"), execution("on", NOON + 55 * MINUTE)]),
            TinyEnterpriseTester([script_run("run", FIRST, NOON)], [FIRST]),
            device_json=device_json,
        ) as lab:
            for contract in contracts():
                more = {"execution_logs": True} if contract.KIND == "hcl" else {}
                connection = connection_to(lab, NAMES[contract.KIND], **more)
                doctor = import_module(contract.__name__.replace(".contract", ".doctor"))
                findings = asyncio.run(examined(doctor.client, doctor.PROBES, connection, clock_of(lab)))
                assert {finding.state for finding in findings.values()} == {"ok"}, findings
            found |= set(_by_setting(lab))
    return found


def _by_setting(lab: Lab) -> Iterator[tuple[str, str]]:
    addresses = {
        address.partition(str(lab.port))[2]: setting
        for connections in lab.urls.values()
        for settings in connections.values()
        for setting, address in settings.items()
    }
    for request in lab.requests:
        path = str(request["path"]).partition("?")[0]
        (prefix,) = [prefix for prefix in addresses if path.startswith(f"{prefix}/")]
        yield str(request["method"]), addresses[prefix] + path.removeprefix(prefix)


def matching(method: str, path: str) -> list[str]:
    """What the page says of an operation."""
    return [
        told
        for listed, template, told in OPERATIONS
        if listed == method and re.fullmatch(re.sub(r"<[a-z]+>", "[^/]+", re.escape(template)), path)
    ]


def test_whatever_is_asked_is_on_the_page_as_ingested(asked: set[tuple[str, str]]) -> None:
    for method, path in asked:
        told = matching(method, path)
        assert len(told) == 1, (method, path, told)
        assert not told[0].startswith("left out"), (method, path)


def test_whatever_the_page_calls_ingested_is_asked(asked: set[tuple[str, str]]) -> None:
    for method, template, told in OPERATIONS:
        if not told.startswith("left out: "):
            pattern = re.sub(r"<[a-z]+>", "[^/]+", re.escape(template))
            assert any(m == method and re.fullmatch(pattern, path) for m, path in asked), template


def test_every_table_is_on_the_page_and_every_table_on_the_page_is_one() -> None:
    named = {name for _, _, told in OPERATIONS for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", told)}
    assert named == {f"{table.source}.{table.name}" for contract in contracts() for table in contract.TABLES}


def test_no_operation_is_listed_twice_or_without_a_reason() -> None:
    places = [(method, template) for method, template, _ in OPERATIONS]
    assert len(places) == len(set(places)) == len(re.findall(r"^\| `", PAGE, re.MULTILINE))
    for _, template, told in OPERATIONS:
        assert len(told) > len("left out: "), template


def test_nothing_that_changes_a_source_is_on_the_page() -> None:
    reading_posts = {"search", "devices", "csv", "handsets", "reservations", "executions", "tokens"}
    for method, template, _ in OPERATIONS:
        if method == "POST":
            assert template.rstrip("/").rpartition("/")[2] in reading_posts, template
