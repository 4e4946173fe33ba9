"""No token, password, private key, IMEI or phone number is found in anything that we write, print or ask."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from datetime import date
from pathlib import Path

import httpx
import pytest

from pipelines.lib import http
from pipelines.lib.source_errors import SourceError
from simlab.credentials import enterprise_tester_login, hcl_offline_token, perfecto_tokens
from simlab.server import Lab, LabConfig, start
from tests.proofs.canaries import (
    CREDENTIALS,
    IN_A_TEXT,
    IN_A_URL,
    NO_SECRET,
    OF_DEVICES,
    OF_DOCKER_HOSTS,
    SECRETS,
    everywhere,
    searched,
    world,
)
from tests.proofs.conftest import Home
from tests.proofs.landing_everything import clock_at, connections_of, land_days, observe
from tests.simlab.tiny_world import LAST_DAY

DAY = date(2026, 3, 2)
CLOCK = "2026-03-02T13:00:00Zx0"
WRONG = "canary-of-wrong-credentials"


def config(faults: str = "none", device_json: str = "allowed") -> LabConfig:
    return LabConfig(
        seed=3, days=14, end=LAST_DAY, clock=CLOCK, faults=faults, fault_seconds=0.1, device_json=device_json
    )


def with_wrong_credentials(toml: str, wrong: str) -> str:
    for right in (perfecto_tokens("acme").admin, hcl_offline_token("ots"), enterprise_tester_login("et")[1]):
        toml = toml.replace(right, wrong)
    return toml


def assert_asked_without_secrets(lab: Lab) -> None:
    """The lab stars secrets in what it remembers of a request, so a star is as bad as a secret."""
    asked = "\n".join(str(request["path"]) for request in lab.requests)
    assert asked
    assert "***" not in asked
    assert searched(asked.encode(), "a URL", SECRETS | {"wrong": WRONG}) == []


def served(lab: Lab) -> str:
    """What the lab's servers tell whoever may know: each canary must be there, or its absence elsewhere is no proof."""
    cloud, token = lab.urls["perfecto"]["acme"], {"Perfecto-Authorization": perfecto_tokens("acme").admin}
    hcl = lab.urls["hcl"]["ots"]["url"]
    exchanged = httpx.post(f"{hcl}/tokens/", data={"refresh_token": hcl_offline_token("ots")}).json()
    bearer = {"Authorization": f"Bearer {exchanged['access_token']}"}
    form = {"operation": "list", "securityToken": perfecto_tokens("acme").admin}
    answers = [
        httpx.get(f"{cloud['app_url']}/export/api/v3/test-executions", headers=token),
        httpx.post(
            f"{cloud['executions_url']}/execution-manager/api/v1/executions/search", headers=token, json={}
        ),
        httpx.post(f"{cloud['services_url']}/services/handsets", data=form),
        httpx.get(f"{hcl}/dockerhosts", headers=bearer),
    ]
    return "\n".join(answer.raise_for_status().text for answer in answers)


@pytest.mark.parametrize(
    "is_whole", [False, pytest.param(True, marks=pytest.mark.proof)], ids=["small", "full"]
)
def test_nothing_secret_is_left_by_the_command_also_when_things_fail(
    is_whole: bool, tmp_path: Path, figures: list[str]
) -> None:
    home = Home(tmp_path / "home", tmp_path / "connections.toml")
    said = []

    def everything(toml: str, expect: int) -> None:
        home.connections.write_text(toml.replace("[hcl.ots]", "[hcl.ots]\nexecution_logs = true"))
        said.append(home.flakehouse("ingest", "--start", str(DAY), "--end", str(DAY), expect=expect))
        if is_whole or not expect:
            said.append(home.flakehouse("snapshot", expect=expect))

    with start(config(), world()) as lab:
        there = served(lab)
        lacking = {name for name, secret in {**OF_DEVICES, **OF_DOCKER_HOSTS}.items() if secret not in there}
        assert lacking == set(), "a canary that nobody serves proves nothing"
        assert IN_A_URL in there
        assert there.count(IN_A_TEXT) >= 9
        everything(lab.connections_toml, expect=0)
        assert_asked_without_secrets(lab)
        everything(with_wrong_credentials(lab.connections_toml, WRONG), expect=1)
        assert_asked_without_secrets(lab)
    if is_whole:
        everything(lab.connections_toml, expect=1)  # nobody is there any more
        with start(config("hostile", "forbidden"), world()) as lab:
            everything(lab.connections_toml, expect=0)
            assert_asked_without_secrets(lab)
        said.append(home.flakehouse("build"))

    printed = "\n".join(said)
    assert "perfecto.acme" in printed
    files = [path for path in home.path.rglob("*") if path.is_file()]
    assert list(everywhere(home.path, {"device": NO_SECRET})), "the search finds nothing at all"
    assert list(everywhere(home.path, SECRETS | {"wrong": WRONG})) == []
    assert searched(printed.encode(), "printed", SECRETS | {"wrong": WRONG}) == []
    figures.append(
        f"{len(SECRETS) + 1} kinds of canary in {len(files)} files of {sum(f.stat().st_size for f in files):,} "
        f"bytes, Parquet and databases decoded, and in {len(printed):,} printed characters: none found"
    )


@pytest.mark.parametrize(
    "broken",
    [
        lambda toml, _lab: with_wrong_credentials(toml, WRONG),
        lambda toml, _lab: with_wrong_credentials(toml, f"eyJ{WRONG}"),
        lambda toml, lab: toml.replace(f":{lab.port}/", f":{lab.port}/nowhere/"),
        lambda toml, lab: toml.replace(f":{lab.port}/", ":9/"),
        lambda toml, _lab: toml.replace("http://", "https://"),
    ],
    ids=["undecodable", "unknown", "wrong_path", "dead", "no_tls"],
)
def test_no_exception_and_no_log_line_holds_a_secret(
    broken: Callable[[str, Lab], str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(http, "_JITTER", 0.01)
    caplog.set_level(logging.DEBUG)
    raised = []
    with start(config(), world()) as lab:
        everyone = connections_of(broken(lab.connections_toml, lab))
        clock = clock_at(lab.clock.now())
        for kind in ("perfecto", "hcl", "enterprise_tester"):
            others = {other: {} for other in ("perfecto", "hcl", "enterprise_tester") if other != kind}
            one = everyone.model_copy(update=others)
            for landing in (land_days(one, tmp_path, [DAY], clock), observe(one, tmp_path, clock)):
                try:
                    asyncio.run(landing)
                except SourceError as error:
                    raised.append("".join(traceback.format_exception(error)) + repr(error.__dict__))
            raised.append(repr(one))
        assert_asked_without_secrets(lab) if lab.requests else None
    assert len(raised) >= 6, "it did not fail"
    secrets = {**SECRETS, "wrong": WRONG}
    assert searched("\n".join(raised).encode(), "an exception", secrets) == []
    assert searched(caplog.text.encode(), "a log line", secrets) == []


def test_no_log_line_holds_a_secret_when_all_goes_well(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with start(config(), world()) as lab:
        connections, clock = connections_of(lab.connections_toml), clock_at(lab.clock.now())
        asyncio.run(land_days(connections, tmp_path, [DAY], clock))
        asyncio.run(observe(connections, tmp_path, clock))
    assert searched(caplog.text.encode(), "a log line", SECRETS) == []
    assert list(everywhere(tmp_path, SECRETS)) == []
    assert CREDENTIALS
