"""What a person answers becomes connections that work; secrets lie in `.env` alone, for its owner only."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipelines.cli import app
from pipelines.settings import Settings, load_connections
from simlab.credentials import enterprise_tester_login, hcl_offline_token, perfecto_tokens
from simlab.server import Lab, LabConfig, start

Init = Callable[..., Result]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with start(LabConfig(days=2)) as lab:
        yield lab


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Init:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLAKEHOUSE_CONNECTIONS", raising=False)
    return lambda *answers: CliRunner().invoke(app, ["init"], input="\n".join(answers) + "\n")


def perfecto(lab: Lab, token: str) -> list[str]:
    return ["perfecto", "acme", *lab.urls["perfecto"]["acme"].values(), token]


def test_every_kind_is_asked_for_looked_at_and_written(lab: Lab, init: Init, tmp_path: Path) -> None:
    username, password = enterprise_tester_login("et")
    said = init(
        *perfecto(lab, perfecto_tokens("acme").admin),
        *("hcl", "ots", lab.urls["hcl"]["ots"]["url"], hcl_offline_token("ots"), "1050, 1051"),
        *("enterprise_tester", "et", lab.urls["enterprise_tester"]["et"]["url"], username, password),
        "",
    )
    assert said.exit_code == 0, said.output
    assert "ok       perfecto.acme perfecto_reporting.test_executions: " in said.output
    assert "3 added. Next: `flakehouse doctor`" in said.output
    connections = load_connections(Settings())
    assert set(connections.all) == {"acme", "ots", "et"}
    assert connections.hcl["ots"].projects == ["1050", "1051"]
    written = (tmp_path / "connections.toml").read_text()
    for secret in (perfecto_tokens("acme").admin, hcl_offline_token("ots"), password):
        assert secret not in written + said.output
        assert secret in (tmp_path / ".env").read_text()
    for name in ("connections.toml", ".env"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"connections.toml", ".env"}


def test_what_was_there_is_kept_and_a_name_is_taken_once(lab: Lab, init: Init, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OTHER='kept'")
    (tmp_path / "connections.toml").write_text(
        '# ours\n[hcl.acme]\nurl="http://h"\noffline_token="t"\nprojects=["1"]'
    )
    taken = perfecto(lab, perfecto_tokens("acme").admin)
    free = ["cloud", *taken[2:]]
    said = init(*taken, *free, "")
    assert said.exit_code == 0, said.output
    assert "the name acme is taken by [hcl.acme]" in said.output
    assert (tmp_path / "connections.toml").read_text().startswith("# ours\n[hcl.acme]")
    assert set(load_connections(Settings()).all) == {"acme", "cloud"}
    assert (tmp_path / ".env").read_text().startswith("OTHER='kept'\nCLOUD_TOKEN=")
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_one_that_does_not_answer_is_said_and_asked_for_again(lab: Lab, init: Init) -> None:
    wrong, right = perfecto(lab, "nobody's"), perfecto(lab, perfecto_tokens("acme").admin)
    said = init(*wrong, "n", *right[1:], "")
    assert said.exit_code == 0, said.output
    assert "wrong    perfecto.acme perfecto_reporting.test_executions: " in said.output
    assert load_connections(Settings()).perfecto["acme"].token.get_secret_value() == right[-1]


@pytest.mark.parametrize("answers", [("perfecto",), ("",), ("nothing", "")])
def test_nothing_is_written_before_a_connection_is_whole(
    init: Init, tmp_path: Path, answers: tuple[str, ...]
) -> None:
    said = init(*answers)
    assert said.exit_code != 0
    assert "Traceback" not in said.output
    assert "unexpected" not in said.output
    assert list(tmp_path.iterdir()) == []
