"""What lies in deploy/ agrees with itself, with what its page says, and with what `make dev` does."""

from __future__ import annotations

import configparser
import getpass
import json
import os
import re
import shutil
import stat
import subprocess
import threading
import tomllib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from pipelines.orchestration.instance import SETTINGS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "operations.md").read_text()
UNITS = sorted((DEPLOY / "systemd").iterdir())
PARTS = {"code": "dagster api grpc", "daemon": "dagster-daemon run", "webserver": "dagster-webserver"}


def example() -> set[str]:
    return set(re.findall(r"^(\w+)=", (DEPLOY / "flakehouse.env.example").read_text(), re.MULTILINE))


def unit(name: str) -> Mapping[str, Mapping[str, str]]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read(DEPLOY / "systemd" / name)
    return parser


def composed() -> dict:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def test_runs_are_limited_and_watched_as_they_are_in_make_dev() -> None:
    ours, theirs = yaml.safe_load(SETTINGS), yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    assert {key: theirs[key] for key in ours} == ours
    assert theirs["storage"].keys() == {"postgres"}


def test_every_variable_that_a_file_takes_is_in_the_example() -> None:
    for file in ("dagster.yaml", "workspace.yaml", "begin", "tell", "flakehouse", "compose.yaml"):
        text = (DEPLOY / file).read_text()
        taken = re.findall(r"env: (\w+)|\$\{?((?:FLAKEHOUSE|SLACK)_\w+|DAGSTER_HOME)", text)
        assert taken, file
        assert {first or second for first, second in taken} <= example(), file


# --- units -----------------------------------------------------------------------------------------------------


def test_what_is_published_can_be_read_by_the_group_and_written_by_the_service_alone() -> None:
    writing = [path.name for path in UNITS if path.suffix == ".service" and "tell" not in path.name]
    assert len(writing) == len(PARTS) + 1
    for name in writing:
        service = unit(name)["Service"]
        assert service["UMask"] == "0027", name
        assert (service["StateDirectory"], service["StateDirectoryMode"]) == ("flakehouse", "0750"), name
        assert service["NoNewPrivileges"] == "true", name
        assert service["ProtectSystem"] == "strict", name
        assert "ReadWritePaths" not in service, f"{name}: a path that is not there keeps it from starting"
    assert "FLAKEHOUSE_HOME=/var/lib/flakehouse\n" in (DEPLOY / "flakehouse.env.example").read_text()


@pytest.mark.parametrize("part", PARTS)
def test_a_unit_starts_its_part_with_the_same_port_on_loopback_and_again_when_it_ends(part: str) -> None:
    service = unit(f"flakehouse-{part}.service")["Service"]
    assert PARTS[part] in service["ExecStart"]
    assert service["Restart"] == "always"
    for bound in re.findall(r"-h (\S+)", service["ExecStart"]):
        assert bound == "127.0.0.1"


def test_every_service_is_the_one_user_with_the_variables_of_the_one_file() -> None:
    for path in UNITS:
        if path.suffix == ".service":
            service = unit(path.name)["Service"]
            assert service["User"] == "flakehouse", path.name
            assert service["EnvironmentFile"] == "/etc/flakehouse/flakehouse.env", path.name


def test_the_doctor_is_asked_every_hour_and_a_person_is_told_when_it_fails_or_hangs() -> None:
    timer, doctor = unit("flakehouse-doctor.timer"), unit("flakehouse-doctor.service")
    assert re.fullmatch(r"\*-\*-\* \*:\d\d:00", timer["Timer"]["OnCalendar"])
    assert timer["Install"]["WantedBy"] == "timers.target"
    assert doctor["Service"]["Type"] == "oneshot"
    assert doctor["Service"]["ExecStart"] == "/opt/flakehouse/.venv/bin/flakehouse doctor --here"
    assert doctor["Service"]["TimeoutStartSec"] == "10min"
    assert doctor["Unit"]["OnFailure"] == "flakehouse-tell@%N.service"
    assert unit("flakehouse-tell@.service")["Service"]["ExecStart"] == "/etc/flakehouse/tell %i"


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict]]]:
    """A webhook's address, and what was posted to it."""
    posted: list[dict] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append({"path": self.path, "type": self.headers["Content-Type"], **json.loads(body)})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Webhook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/secret", posted
        server.shutdown()


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_the_example_of_telling_posts_to_the_webhook_whose_address_nobody_can_read(
    receiver: tuple[str, list[dict]], tmp_path: Path
) -> None:
    url, posted = receiver
    seen, curl = tmp_path / "arguments", tmp_path / "curl"
    curl.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{seen}"\nexec {shutil.which("curl")} "$@"\n')
    curl.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLACK_WEBHOOK": url}
    subprocess.run([DEPLOY / "tell", "flakehouse-doctor"], env=environment, check=True)
    (message,) = posted
    assert (message["path"], message["type"]) == ("/secret", "application/json")
    assert message["text"].startswith("flakehouse-doctor failed on ")
    assert "journalctl -u flakehouse-doctor" in message["text"]
    assert "secret" not in seen.read_text()


def test_a_typed_command_has_the_variables_and_the_rights_of_the_service(tmp_path: Path) -> None:
    """Typed by the service's user, who is here whoever tests: to become another one takes root."""
    typed, command = tmp_path / "typed", tmp_path / ".venv" / "bin" / "flakehouse"
    command.parent.mkdir(parents=True)
    command.write_text('#!/bin/sh\necho "$1 in $(pwd)"; umask; env\n')
    script = (DEPLOY / "flakehouse").read_text()
    for ours, theirs in (
        ("!= flakehouse", f"!= {getpass.getuser()}"),
        ("/etc/flakehouse", str(tmp_path)),
        ("/opt/flakehouse", str(tmp_path)),
    ):
        assert ours in script
        script = script.replace(ours, theirs)
    typed.write_text(script)
    values = (DEPLOY / "flakehouse.env.example").read_text().replace("_TOKEN=", "_TOKEN='a $HOME \"b\"'")
    (tmp_path / "flakehouse.env").write_text(values)
    for file in (typed, command):
        file.chmod(0o755)
    said = subprocess.run([typed, "doctor"], check=True, capture_output=True, text=True).stdout.splitlines()
    assert said[:2] == [f"doctor in {tmp_path}", "0027"]
    assert {'PERFECTO_TOKEN=a $HOME "b"', "HOME=/var/lib/flakehouse", "FLAKEHOUSE_CODE_PORT=4266"} <= set(
        said
    )


# --- containers ------------------------------------------------------------------------------------------------


def test_the_parts_are_services_of_compose_too_with_the_pages_on_loopback() -> None:
    services = composed()
    for name, command in PARTS.items():
        assert command in services[name]["command"]
    assert services["webserver"]["ports"] == ["127.0.0.1:3000:3000"]
    assert "-p ${FLAKEHOUSE_CODE_PORT}" in (DEPLOY / "systemd" / "flakehouse-code.service").read_text()
    (port,) = re.findall(r"FLAKEHOUSE_CODE_PORT=(\d+)", (DEPLOY / "flakehouse.env.example").read_text())
    assert f"-p {port}" in services["code"]["command"]


def test_containers_find_each_other_whatever_the_example_says_and_runs_know_their_host_again() -> None:
    services = composed()
    for name in PARTS:
        hosts = services[name]["environment"]
        assert set(hosts) <= example()
        assert set(hosts.values()) <= set(services)
        assert services[name]["env_file"] == ".env", "compose fills in ${…} from this file alone"
    assert services["code"]["hostname"] == "code"


def is_taken(path: str) -> bool:
    """As Docker and Podman read .dockerignore: the last line that names the path, or a folder of it, decides."""
    place, taken = Path(path), True
    places = [str(each) for each in (place, *place.parents)][:-1]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            rule = line.removeprefix("!")
            if any(_is_named(rule, each) for each in places):
                taken = line.startswith("!")
    return taken


def _is_named(rule: str, path: str) -> bool:
    if rule.startswith("**/"):
        return fnmatchcase(path.rpartition("/")[2], rule.removeprefix("**/"))
    return rule.count("/") == path.count("/") and fnmatchcase(path, rule)


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "deploy/.env",
        "deploy/flakehouse.env",
        "connections.toml",
        "deploy/connections.toml",
        ".git/config",
        ".flakehouse/raw/perfecto_lab/devices/connection=acme/dt=2026-03-11/a.parquet",
        ".venv/ready-postgres",
        "dbt/target/manifest.json",
        "pipelines/__pycache__/settings.cpython-311.pyc",
        "tests/conftest.py",
    ],
)
def test_nothing_secret_and_nothing_of_this_machine_comes_into_the_image(path: str) -> None:
    assert not is_taken(path)


def test_all_that_the_image_needs_comes_into_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    containerfile = (DEPLOY / "Containerfile").read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"\bmake (?!git)(\w+)", containerfile.replace("recommends make", "")))
    assert targets == {"postgres"}
    (entry,) = re.findall(r'ENTRYPOINT \["(.+)"\]', containerfile)
    assert (ROOT / entry).stat().st_mode & stat.S_IXOTH
    code = [
        path
        for folder in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        for path in (ROOT / folder).rglob("*.py")
    ]
    models = [path for path in (ROOT / "dbt").rglob("*.sql") if "target" not in path.parts]
    locks = {ROOT / name for name in re.findall(r"requirements[\w-]*\.lock", makefile)}
    assert len(code) > 100
    assert len(models) > 50
    for needed in (
        *code,
        *models,
        *locks,
        *DEPLOY.iterdir(),
        ROOT / project["project"]["readme"],
        ROOT / "Makefile",
        ROOT / "pyproject.toml",
    ):
        if needed.name != ".env":
            assert needed.exists()
            assert is_taken(str(needed.relative_to(ROOT))), needed


def test_the_image_has_a_python_that_the_project_takes() -> None:
    (image,) = re.findall(r"FROM python:3\.(\d+)-", (DEPLOY / "Containerfile").read_text())
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert int(image) >= int(wanted.removeprefix(">=3."))


# --- the page --------------------------------------------------------------------------------------------------


def test_the_steps_name_files_that_are_there_and_switch_on_every_unit_that_can_be() -> None:
    files = set(re.findall(r"(?<![/\w])deploy/[\w./@-]*\w", PAGE)) - {"deploy/.env"}
    assert len(files) > 5
    for file in files:
        assert (ROOT / file).exists(), file
    (switched_on,) = re.findall(r"systemctl enable --now ((?:.|\\\n)*?)\n[#`]", PAGE)
    can_be = {path.name.removesuffix(".service") for path in UNITS if "[Install]" in path.read_text()}
    assert set(switched_on.replace("\\\n", " ").split()) == can_be


def test_the_steps_make_the_user_and_keep_secrets_for_the_user_alone() -> None:
    assert "useradd --system --user-group" in PAGE
    for place in ("/etc/flakehouse/flakehouse.env", "/etc/flakehouse/connections.toml"):
        (line,) = [
            line for line in PAGE.splitlines() if line.startswith("# install") and line.endswith(place)
        ]
        assert "-o flakehouse -g flakehouse -m 600" in line
    assert "# install -d -o flakehouse -g flakehouse -m 700 /var/lib/flakehouse/dagster\n" in PAGE


def test_the_page_names_the_user_that_the_image_has() -> None:
    (number,) = re.findall(r"--uid (\d+)", (DEPLOY / "Containerfile").read_text())
    assert f"chown {number} " in PAGE
