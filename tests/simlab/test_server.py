"""Starting the lab: its first line, its connections, its request log, and what it refuses."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

import pytest

from simlab.lab_error import LabError
from simlab.server import LabConfig, start
from tests.simlab.serving import HTTP, TOKENS, Reporting, serving
from tests.simlab.tiny_world import NOON, TinyPerfecto, test_run

IN_THE_FOREGROUND = """
from datetime import date
from simlab.server import LabConfig, run
run(LabConfig(days=2, end=date(2026, 3, 2), clock="2026-03-02T12:00:00Z"))
"""


def test_in_the_foreground_the_first_line_is_json_and_an_interrupt_ends_it_quietly() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", IN_THE_FOREGROUND], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        headline = json.loads(process.stdout.readline())
        assert process.stdout.readline().startswith("seed: 1")
        assert list(headline) == ["port", "urls", "seed", "first_day", "last_day", "clock"]
        assert (headline["first_day"], headline["last_day"]) == ("2026-03-01", "2026-03-02")
        assert headline["clock"] == "2026-03-02T12:00:00Z"
        app_url = headline["urls"]["perfecto"]["acme"]["app_url"]
        assert app_url == f"http://127.0.0.1:{headline['port']}/perfecto/acme/app"
        answer = HTTP.get(
            f"{app_url}/export/api/v3/test-executions",
            headers={"Perfecto-Authorization": TOKENS.admin},
            timeout=60,
        )
        assert answer.json()["resources"]
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=20)
        assert complaints == ""
        assert process.returncode == 0
    finally:
        if process.poll() is None:
            process.kill()


def test_connections_are_ready_to_use_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "connections.toml"
    with start(LabConfig(days=1, connections=path)) as lab:
        assert path.stat().st_mode & 0o777 == 0o600
        text = path.read_text()
        assert text == lab.connections_toml
        tables = tomllib.loads(text)
        assert {kind: list(found) for kind, found in tables.items()} == {
            "perfecto": ["acme"],
            "hcl": ["ots"],
            "enterprise_tester": ["et"],
        }
        acme = tables["perfecto"]["acme"]
        assert acme["app_url"] == lab.urls["perfecto"]["acme"]["app_url"]
        assert Reporting(lab, headers={"Perfecto-Authorization": acme["token"]}).get().status_code == 200
        et = tables["enterprise_tester"]["et"]
        assert HTTP.get(f"{et['url']}/api/projects", auth=(et["username"], et["password"])).status_code == 200
        ots = tables["hcl"]["ots"]
        assert (
            HTTP.post(f"{ots['url']}/tokens/", data={"refresh_token": ots["offline_token"]}).status_code
            == 200
        )
        assert ots["projects"] == list(lab.world.hcl[0].project_ids())
        assert "${" not in text


def test_existing_connections_are_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "connections.toml"
    path.write_text("old")
    path.chmod(0o644)
    with serving(TinyPerfecto()), start(LabConfig(days=1, connections=path)):
        assert "old" not in path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.iterdir()) == [path]


def test_the_lab_is_reached_on_loopback_only() -> None:
    with serving(TinyPerfecto()) as lab, socket.socket() as other:
        other.settimeout(2)
        with pytest.raises(OSError):  # noqa: PT011
            other.connect((_own_address(), lab.port))


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return probe.getsockname()[0]


def test_requests_are_remembered_without_secrets() -> None:
    with serving(TinyPerfecto([test_run(1, NOON)])) as lab:
        Reporting(lab).tests(NOON, NOON)
        services = lab.urls["perfecto"]["acme"]["services_url"]
        query = {"operation": "list", "securityToken": TOKENS.admin, "user": "ann", "password": "hunter2"}
        HTTP.get(f"{services}/services/handsets", params=query)
        HTTP.post(f"{services}/services/handsets", data=query)
        seen = HTTP.get(f"http://127.0.0.1:{lab.port}/_lab/requests").json()
        assert seen == lab.requests
        assert [request["method"] for request in seen] == ["GET", "GET", "POST"]
        assert seen[0]["path"].startswith(
            "/perfecto/acme/app/export/api/v3/test-executions?startExecutionTime"
        )
        assert seen[1]["path"].endswith("?operation=list&securityToken=***&user=***&password=***")
        assert {request["at"] for request in seen} == {lab.clock.now()}
        assert TOKENS.admin not in json.dumps(seen)
        assert "hunter2" not in json.dumps(seen)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (
            LabConfig(faults="catastrophic"),
            "there is no fault profile 'catastrophic'; there is: none, flaky, hostile",
        ),
        (LabConfig(clock="noon"), "clock 'noon'"),
        (LabConfig(days=0), "at least one day"),
        (LabConfig(density=0), "density must be more than 0"),
        (LabConfig(histories=(Path("/nowhere/x.csv"),)), "no such file"),
        (LabConfig(days=1, connections=Path("/proc/nowhere/connections.toml")), "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(config: LabConfig, complaint: str) -> None:
    with pytest.raises(LabError, match=complaint) as refused, start(config):
        pass
    assert "\n" not in str(refused.value)


def test_a_port_in_use_is_refused_by_its_number() -> None:
    with (
        serving(TinyPerfecto()) as lab,
        pytest.raises(LabError, match=f"port {lab.port} "),
        start(LabConfig(port=lab.port, days=1)),
    ):
        pass


def test_the_world_ends_on_the_clocks_day_unless_told_otherwise() -> None:
    with start(LabConfig(days=3, clock="2026-03-02T12:00:00Zx0")) as lab:
        [cloud] = lab.world.perfecto
        assert (cloud.first_day(), cloud.last_day()) == (date(2026, 2, 28), date(2026, 3, 2))


def test_a_denser_lab_has_more_devices_and_more_tests_a_day() -> None:
    clock = "2026-03-02T12:00:00Zx0"
    with (
        start(LabConfig(days=1, clock=clock)) as usual,
        start(LabConfig(days=1, clock=clock, density=3)) as dense,
    ):
        one, three = usual.world.parameters(), dense.world.parameters()
    for figure in ("test_runs_per_working_day", "devices", "tests"):
        assert three[figure] == 3 * one[figure]


def test_two_labs_of_one_seed_serve_the_same_world() -> None:
    config = LabConfig(days=1, clock="2026-03-02T23:59:00Zx0")
    answers = []
    for _ in range(2):
        with start(config) as lab:
            answers.append(Reporting(lab).get().json())
    assert answers[0] == answers[1]
    assert len(answers[0]["resources"]) > 100
