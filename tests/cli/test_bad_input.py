"""Whatever is wrong is one line that names it and says what to do; no traceback, no secret, exit code not 0."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SECRET = "a-token-that-nobody-may-read"
DEAD = f'[perfecto.acme]\napp_url = "http://127.0.0.1:9"\ntoken = "{SECRET}"\n'
ONE_DAY = ("ingest", "--start", "2026-01-05", "--end", "2026-01-05")


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line that explains it."""
        assert "Traceback" not in self.out + self.err
        assert SECRET not in self.out + self.err
        assert self.code != 0
        (line,) = self.err.splitlines()
        return line


def flakehouse(*arguments: str, home: Path, connections: Path | None = None) -> Said:
    environment = {
        **os.environ,
        "FLAKEHOUSE_HOME": str(home),
        "FLAKEHOUSE_CONNECTIONS": str(connections or home / "connections.toml"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def dead(home: Path) -> Path:
    path = home / "dead.toml"
    path.write_text(DEAD)
    return path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("ingest", "--start", "2026-13-01", "--end", "2026-12-01"), "--start 2026-13-01: not a day"),
        (
            ("ingest", "--start", "2026-01-02", "--end", "2026-01-01"),
            "--start 2026-01-02 is after --end 2026-01-01",
        ),
        (
            ("ingest", "--start", "2001-01-01", "--end", "2026-01-01"),
            "the earliest day that can be read is 2018-01-01",
        ),
        (("ingest", "--start", "2026-01-01", "--end", "2999-01-01"), "--end 2999-01-01 is in the future"),
        (("ingest", "--start", "2026-01-01"), "Missing option '--end'"),
        (("build", "--as-of", "yesterday"), "--as-of yesterday: not a day"),
        (("build", "--target", "oracle"), "'oracle'"),
        (("ingets",), "Did you mean 'ingest'"),
        (("simlab", "--history", "/no/such.csv"), "/no/such.csv"),
        (("simlab", "--clock", "soon"), "soon"),
    ],
)
def test_what_was_typed_wrongly_is_named(home: Path, arguments: tuple[str, ...], expected: str) -> None:
    assert expected in flakehouse(*arguments, home=home).line


def test_what_spark_lacks_is_said_before_anything_is_built(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    line = flakehouse("build", "--target", "spark", home=home).line
    assert "Spark is not installed" in line or "Spark needs Java" in line
    assert not (home / "warehouse").exists()


def test_a_missing_connections_file_is_named_with_a_way_to_get_one(home: Path) -> None:
    line = flakehouse(*ONE_DAY, home=home).line
    assert str(home / "connections.toml") in line
    assert "connections.example.toml" in line


def test_a_wrong_key_is_named_with_the_nearest_right_one(home: Path) -> None:
    wrong = home / "wrong.toml"
    wrong.write_text(DEAD.replace("app_url", "app_urll"))
    line = flakehouse(*ONE_DAY, home=home, connections=wrong).line
    assert "[perfecto.acme]" in line
    assert "did you mean app_url?" in line


@pytest.mark.parametrize("folder", ["a file/home", "/proc/home"])
def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, dead: Path, folder: str) -> None:
    (tmp_path / "a file").touch()
    for command in (ONE_DAY, ("build",), ("demo", "--home", str(tmp_path / folder))):
        line = flakehouse(*command, home=tmp_path / folder, connections=dead).line
        assert str(tmp_path / folder) in line
        assert "cannot be written" in line
        assert "FLAKEHOUSE_HOME" in line


def test_an_unknown_table_or_connection_is_named_with_the_nearest_right_one(home: Path, dead: Path) -> None:
    table = flakehouse(*ONE_DAY, "--select", "perfecto_reporting.test_execution", home=home, connections=dead)
    assert "did you mean perfecto_reporting.test_executions?" in table.line
    connection = flakehouse(*ONE_DAY, "--connection", "acne", home=home, connections=dead)
    assert "--connection acne: no such connection; did you mean acme?" in connection.line
    snapshot = flakehouse(*ONE_DAY, "--select", "enterprise_tester.projects", home=home, connections=dead)
    assert "use `flakehouse snapshot`" in snapshot.line


def test_a_dead_server_is_named_once_and_not_asked_for_every_day(home: Path, dead: Path) -> None:
    said = flakehouse("ingest", "--start", "2026-01-05", "--end", "2026-01-08", home=home, connections=dead)
    assert "perfecto_reporting acme 2026-01-05 to 2026-01-08 (3 not tried)" in said.line
    assert "http://127.0.0.1:9" in said.line


def test_the_demo_does_not_touch_a_home_with_other_data(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    line = flakehouse("demo", "--home", str(tmp_path), home=tmp_path).line
    assert "not the demo's; choose another folder with --home" in line
    assert list(tmp_path.iterdir()) == [tmp_path / "raw"]
