"""No request ever stops an execution or creates a run. Every lab of every proof is held to it (conftest.py)."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import date
from pathlib import Path

import httpx

from simlab.credentials import perfecto_tokens
from simlab.server import LabConfig, start
from simlab.world import build_world
from tests.proofs.landing_everything import clock_at, connections_of, land_days, observe
from tests.proofs.reads_only import changes

DAY = date(2026, 6, 30)


def test_every_request_of_every_source_is_a_question(tmp_path: Path, figures: list[str]) -> None:
    with start(
        LabConfig(seed=3, days=1, end=DAY, clock=f"{DAY}T15:00:00Zx0"), build_world(3, DAY, 1, 0.1)
    ) as lab:
        connections, clock = connections_of(lab.connections_toml), clock_at(lab.clock.now())
        asyncio.run(land_days(connections, tmp_path, [DAY], clock))
        asyncio.run(observe(connections, tmp_path, clock))
        asked = list(lab.requests)
    assert changes(asked) == []
    methods = Counter(str(request["method"]) for request in asked)
    assert methods["GET"] > 50
    assert methods["POST"] >= 4
    figures.append(
        f"{len(asked):,} requests of all sources: {methods['GET']:,} GET, {methods['POST']} questions by POST"
    )


def test_a_stop_and_a_new_run_would_be_noticed() -> None:
    with start(
        LabConfig(seed=3, days=1, end=DAY, clock=f"{DAY}T15:00:00Zx0"), build_world(3, DAY, 1, 0.1)
    ) as lab:
        executions = lab.urls["perfecto"]["acme"]["executions_url"] + "/execution-manager/api/v1/executions"
        runs = lab.urls["enterprise_tester"]["et"]["url"] + "/api/scriptassignment/1/runs"
        token = {"Perfecto-Authorization": perfecto_tokens("acme").admin}
        httpx.post(f"{executions}/stop", headers=token, json={})
        httpx.post(runs, json={})
        httpx.post(f"{executions}/search", headers=token, json={})
        noticed = changes(lab.requests)
        lab.request_log.forget()
    assert [request.rsplit("/", 1)[1] for request in noticed] == ["stop", "runs"]
