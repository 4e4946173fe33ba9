"""The doctor names what is wrong with every connection, table by table, and what to do; it changes nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from pipelines.defs.sources import contracts
from simlab.credentials import perfecto_tokens
from simlab.server import Lab, LabConfig, start


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    def line(self, subject: str) -> str:
        """The one line about a subject."""
        (line,) = [line for line in self.out.splitlines() if f" {subject}: " in line]
        return line


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with start(LabConfig(days=2)) as lab:
        yield lab


Doctor = Callable[..., Said]


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    def run(connections: str, *options: str) -> Said:
        file = tmp_path / "connections.toml"
        file.write_text(connections)
        environment = {
            **os.environ,
            "FLAKEHOUSE_HOME": str(tmp_path / "home"),
            "FLAKEHOUSE_CONNECTIONS": str(file),
        }
        command = [sys.executable, "-m", "pipelines.cli", "doctor", *options]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stdout + done.stderr
        assert not (tmp_path / "home").exists()
        return Said(done.returncode, done.stdout, done.stderr)

    return run


def section(toml: str, kind: str) -> str:
    """The connections of one kind."""
    return "\n".join(part for part in re.split(r"(?m)^(?=\[)", toml) if part.startswith(f"[{kind}."))


def test_a_healthy_lab_has_a_line_for_every_table_and_nothing_to_do(lab: Lab, doctor: Doctor) -> None:
    said = doctor(lab.connections_toml)
    names = {"perfecto": "perfecto.acme", "hcl": "hcl.ots", "enterprise_tester": "enterprise_tester.et"}
    for contract in contracts():
        for table in contract.TABLES:
            line = said.line(f"{names[contract.KIND]} {contract.SOURCE}.{table.name}")
            assert line.startswith("off" if table.name == "execution_logs" else "ok"), line
    for subject in ("versions", "home", "lake", "disk (home)", "settings", "perfecto.acme clock"):
        assert said.line(subject).startswith("ok")
    assert (said.code, said.err) == (0, "")
    asked = [str(request["path"]).partition("?")[0] for request in lab.requests]
    assert not [path for path in asked if path.endswith("stop")]
    assert not [r for r in lab.requests if r["method"] == "POST" and str(r["path"]).endswith("/runs")]


def test_a_wrong_token_is_named_for_each_table_and_leaves_the_other_systems_alone(
    lab: Lab, doctor: Doctor
) -> None:
    wrong = "eyJ.a-token-that-nobody-may-read"
    said = doctor(lab.connections_toml.replace(perfecto_tokens("acme").admin, wrong))
    for table in ("perfecto_reporting.commands", "perfecto_live.executions", "perfecto_lab.devices"):
        line = said.line(f"perfecto.acme {table}")
        assert line.startswith("wrong")
        assert "does not take the token" in line
        assert "check its token" in line
    assert said.line("enterprise_tester.et enterprise_tester.projects").startswith("ok")
    assert said.code == 1
    assert "need attention" in said.err
    assert wrong not in said.out + said.err


def test_a_dead_server_is_named_soon(lab: Lab, doctor: Doctor) -> None:
    toml = re.sub(r"http://127\.0\.0\.1:\d+/hcl", "http://127.0.0.1:9/hcl", lab.connections_toml)
    began = datetime.now(UTC)
    said = doctor(toml)
    line = said.line("hcl.ots hcl_test_server.agents")
    assert line.startswith("wrong")
    assert "(http://127.0.0.1:9): nothing answers there" in line
    assert said.line("perfecto.acme perfecto_reporting.test_executions").startswith("ok")
    assert said.code == 1
    assert datetime.now(UTC) - began < timedelta(seconds=40)


def test_a_token_that_sees_only_its_own_is_partial(lab: Lab, doctor: Doctor) -> None:
    tokens = perfecto_tokens("acme")
    said = doctor(section(lab.connections_toml, "perfecto").replace(tokens.admin, tokens.member))
    live = said.line("perfecto.acme perfecto_live.executions")
    assert live.startswith("partial")
    assert "Admin Execution role" in live
    scripts = said.line("perfecto.acme perfecto_lab.script_executions")
    assert scripts.startswith("partial")
    assert "only their own records" in scripts
    assert said.line("perfecto.acme perfecto_reporting.test_executions").startswith("ok")
    assert said.code == 1


def test_services_that_are_not_configured_are_off_and_not_wrong(lab: Lab, doctor: Doctor) -> None:
    toml = re.sub(r"(?m)^(executions|services)_url.*\n", "", section(lab.connections_toml, "perfecto"))
    said = doctor(toml)
    assert said.line("perfecto.acme perfecto_live.executions").endswith("executions_url is not set")
    assert said.line("perfecto.acme perfecto_lab.reservations").startswith("off")
    assert said.code == 0


def test_settings_that_are_wrong_are_lines_among_the_others_and_the_rest_is_asked(
    lab: Lab, doctor: Doctor
) -> None:
    said = doctor(
        section(lab.connections_toml, "enterprise_tester") + '[perfecto.acme]\napp_urll = "x"\n[hcll.ots]\n'
    )
    wrong = [line for line in said.out.splitlines() if line.startswith("wrong    settings: ")]
    assert [
        "[perfecto.acme]: unknown key app_urll; did you mean app_url?" in wrong[0],
        "unknown section [hcll]" in wrong[1],
        len(wrong),
    ] == [True, True, 2]
    assert said.line("enterprise_tester.et enterprise_tester.projects").startswith("ok")
    assert said.line("disk (lake)").startswith("ok")
    assert said.code == 1


def test_asked_about_this_machine_it_asks_no_system(lab: Lab, doctor: Doctor) -> None:
    before = len(lab.requests)
    said = doctor(lab.connections_toml, "--here")
    assert len(lab.requests) == before
    assert said.line("settings").startswith("ok")
    assert "perfecto.acme" not in said.out
    assert said.code == 0


TEAM = '[alerts.team]\nkind = "webhook"\nurl = "http://127.0.0.1:9/secret"\n'
ASSIGNMENTS_SHOWN, ASSIGNMENTS_COUNTED = 25, 30


def test_it_says_where_alerts_go_and_that_nobody_is_told(doctor: Doctor) -> None:
    with _enterprise_tester(timedelta()) as url:
        nobody, team = doctor(_toml(url)), doctor(_toml(url) + TEAM)
    assert nobody.line("alerts").startswith("off      alerts: nobody is told of what goes wrong")
    assert team.line("alerts") == "ok       alerts: go to team"
    assert "secret" not in team.out + team.err


def test_an_assignment_list_short_of_its_total_is_partial(doctor: Doctor) -> None:
    with _enterprise_tester(timedelta()) as url:
        said = doctor(_toml(url))
    line = said.line("enterprise_tester.et enterprise_tester.script_assignments")
    assert line.startswith("partial")
    assert "25 of 30 records came" in line
    assert "rebuilding its search index" in line
    assert said.line("enterprise_tester.et enterprise_tester.script_runs").startswith("ok")
    assert said.line("enterprise_tester.et clock").startswith("ok")


@pytest.mark.parametrize(("skew", "side"), [(600, "ahead of"), (-7200, "behind")])
def test_a_clock_that_goes_wrong_is_named_with_its_direction(doctor: Doctor, skew: int, side: str) -> None:
    with _enterprise_tester(timedelta(seconds=skew)) as url:
        said = doctor(_toml(url))
    line = said.line("enterprise_tester.et clock")
    assert line.startswith("wrong")
    seconds = int(re.findall(r"([\d,]+) s", line)[0].replace(",", ""))
    assert abs(seconds - abs(skew)) <= 2
    assert f"{side} ours" in line
    assert said.code == 1


def _toml(url: str) -> str:
    return f'[enterprise_tester.et]\nurl = "{url}"\nusername = "u"\npassword = "p"\n'


@contextmanager
def _enterprise_tester(skew: timedelta) -> Iterator[str]:
    """A server whose index knows fewer assignments than it counts, and whose clock is off."""

    def collection(name: str) -> tuple[list[dict[str, str]], int]:
        if name == "projects":
            return [{"Id": "00000000-0000-0000-0000-00000000000a", "Name": "Shop"}], 1
        if name == "scriptassignments":
            return [{"Id": f"assignment-{n}"} for n in range(ASSIGNMENTS_SHOWN)], ASSIGNMENTS_COUNTED
        return [], 0

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            skip = int(parse_qs(parts.query)["$skip"][0])
            items, total = collection(parts.path.rpartition("/")[2])
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps({"Items": items[skip:], "Total": total}).encode())

        def date_time_string(self, *_arguments: object) -> str:
            return format_datetime(datetime.now(UTC) + skew, usegmt=True)

        def log_message(self, *_arguments: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
