"""Through every fault that the lab can make, the lake ends as that of a faultless lab."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipelines.defs.sources.enterprise_tester import client as enterprise_tester
from pipelines.lib import http
from simlab.faults import Kind
from simlab.server import Lab, LabConfig, start
from simlab.world import build_world
from tests.proofs.conftest import Home
from tests.proofs.lakes import Contents, contents, differing
from tests.proofs.landing_everything import clock_at, connections_of, land_days, observe

END = date(2026, 6, 30)
SEED = 3
MOST_ROUNDS = 10
PROFILES = ("flaky", "hostile")


def lab_config(days: int, faults: str) -> LabConfig:
    return LabConfig(
        seed=SEED, days=days, end=END, clock="2026-07-02T00:00:00Zx0", faults=faults, fault_seconds=0.1
    )


def hold_to_the_faultless(lab: Lab, found: Contents, faultless: Contents, figures: list[str]) -> None:
    struck = lab.faults.plan.by_kind()
    assert {kind for kind in Kind if not struck[kind]} == set(), "a kind that never struck proves nothing"
    assert differing(found, faultless) == []
    rows = sum(map(len, found.values()))
    by_kind = ", ".join(f"{times} {kind}" for kind, times in struck.items())
    figures.append(
        f"{lab.faults.profile}: {len(found)} tables, {rows:,} rows, none differs "
        f"after {sum(struck.values()):,} faults in {len(lab.requests):,} requests: {by_kind}"
    )


def landed(faults: str, lake: Path) -> tuple[Lab, Contents]:
    """Two days, the last one twice, as faults must make nothing look missing; then again until all kinds struck."""
    days = [END, END - timedelta(1)]
    with start(lab_config(2, faults), build_world(SEED, days[-1], 2)) as lab:
        connections, clock = connections_of(lab.connections_toml, "failed"), clock_at(lab.clock.now())

        def land(days: list[date]) -> None:
            asyncio.run(land_days(connections, lake, days, clock))

        land(days)
        asyncio.run(observe(connections, lake, clock))
        for _ in range(MOST_ROUNDS):
            land(days[:1])
            if faults == "none" or all(lab.faults.plan.by_kind().values()):
                break
    return lab, contents(lake)


@pytest.fixture(scope="module")
def faultless(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    lab, found = landed("none", tmp_path_factory.mktemp("faultless"))
    assert not any(lab.faults.plan.by_kind().values())
    return found


@pytest.mark.parametrize("profile", PROFILES)
def test_under_every_fault_the_lake_ends_as_without(
    profile: str, faultless: Contents, tmp_path: Path, figures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(http, "_JITTER", 0.02)
    monkeypatch.setattr(enterprise_tester, "_PAGE_SIZE", 15)  # so that there are pages to get wrong
    hold_to_the_faultless(*landed(profile, tmp_path), faultless, figures)


def ingested(faults: str, home: Home) -> tuple[Lab, Contents]:
    """Two weeks through the command, the last days twice, and an observation."""
    first = END - timedelta(13)
    with start(lab_config(14, faults)) as lab:
        home.path.parent.mkdir(exist_ok=True)
        home.connections.write_text(lab.connections_toml)
        home.ingest(first, END)
        home.ingest(END - timedelta(2), END)
        home.flakehouse("snapshot")
    return lab, contents(home.path / "raw")


@pytest.mark.proof
def test_under_every_fault_the_command_ends_as_without(tmp_path: Path, figures: list[str]) -> None:
    _, faultless = ingested("none", Home(tmp_path / "none", tmp_path / "none.toml"))
    for profile in PROFILES:
        home = Home(tmp_path / profile, tmp_path / f"{profile}.toml")
        hold_to_the_faultless(*ingested(profile, home), faultless, figures)
