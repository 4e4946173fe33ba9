"""HCL agents and docker hosts, as they land."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.defs.sources.hcl_test_server.client import client
from pipelines.defs.sources.hcl_test_server.contract import AGENTS, DOCKER_HOST_STATUS, DOCKER_HOSTS
from pipelines.lib.landing import PartlyLanded
from simlab.server import Lab
from tests.simlab.serving import serving
from tests.simlab.tiny_world import TinyHcl
from tests.sources.lab_and_lake import appended, connection_to, everything_written, failing, held


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with serving(hcl=TinyHcl()) as lab:
        yield lab


def test_agents_are_everyones_with_their_state(lab: Lab, tmp_path: Path) -> None:
    appended(lab, client, connection_to(lab, "ots"), AGENTS, lambda source: source.agents(), tmp_path)

    busy, lost = held(tmp_path, AGENTS)
    assert (busy["id"], busy["host_name"], busy["state"]) == (1, "Agent-One.LAB.example", "BUSY")
    assert busy["engine_list_size"] == 3
    assert busy["ram"] == "17179869184"
    assert busy["contact_time"] == datetime(2026, 3, 2, 12, 59, 56, tzinfo=UTC)
    assert busy["contact_time_number"] is None
    assert busy["capabilities"][0]["category"] == "SYSTEM"
    assert '"key":"os"' in busy["capabilities"][0]["value"][0]["capability"]
    assert (lost["owner"], lost["state"], lost["dt"]) == ("ann", "LOST", "2026-03-02")


def test_docker_hosts_land_without_their_credentials(lab: Lab, tmp_path: Path) -> None:
    connection = connection_to(lab, "ots")
    landed = appended(lab, client, connection, DOCKER_HOSTS, lambda source: source.docker_hosts(), tmp_path)

    (host,) = held(tmp_path, DOCKER_HOSTS)
    assert (host["id"], host["name"], host["info_os_arch"]) == (7, "docker one", "linux/amd64")
    assert not landed.undeclared
    written = everything_written(tmp_path)
    assert "docker-one.lab.example" in written
    for secret in ("synthetic-user", "synthetic-ca-cert", "synthetic-client-cert", "synthetic-client-key"):
        assert secret not in written


def test_each_docker_hosts_status_is_beside_its_id(lab: Lab, tmp_path: Path) -> None:
    connection = connection_to(lab, "ots")
    landed = appended(
        lab, client, connection, DOCKER_HOST_STATUS, lambda source: source.docker_host_status(), tmp_path
    )

    (status,) = held(tmp_path, DOCKER_HOST_STATUS)
    assert (status["_docker_host_id"], status["status"], status["reason"]) == (7, "OK", None)
    assert (landed.facts["requests"], landed.facts["retries"]) == (2, 0)


def test_a_docker_host_that_fails_leaves_the_status_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = [replace(TinyHcl().docker_hosts()[0], id=number) for number in (7, 8, 9)]
    monkeypatch.setattr(TinyHcl, "docker_hosts", lambda _self: hosts)
    failing(monkeypatch, "/dockerhosts/8/")
    with serving(hcl=TinyHcl()) as lab, pytest.raises(PartlyLanded, match=r"\(1 of 3 questions; "):
        appended(
            lab,
            client,
            connection_to(lab, "ots"),
            DOCKER_HOST_STATUS,
            lambda source: source.docker_host_status(),
            tmp_path,
        )

    assert [row["_docker_host_id"] for row in held(tmp_path, DOCKER_HOST_STATUS)] == [7, 9]
