"""Settings: what is read from where, and the one line that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.settings import (
    Connections,
    Settings,
    SettingsError,
    load_connections,
    parse_connections,
    usable_connections,
)

CANARY = "canary-4711"
PERFECTO = {"app_url": "https://acme.app.perfectomobile.com/", "token": "${TOKEN}"}


def parsed(document: dict, **environment: str) -> Connections:
    return parse_connections(document, {"TOKEN": CANARY, **environment}, "connections.toml")


def complaint(document: dict, **environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        parsed(document, **environment)
    line = str(caught.value)
    assert "\n" not in line
    assert CANARY not in line
    return line


def test_the_example_is_valid_and_shows_every_kind() -> None:
    example = Path(__file__).parents[1] / "connections.example.toml"
    settings = Settings(FLAKEHOUSE_CONNECTIONS=example)
    names = ("PERFECTO_TOKEN", "HCL_OFFLINE_TOKEN", "ET_USERNAME", "ET_PASSWORD", "SLACK_WEBHOOK")
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setenv(name, CANARY)
        connections = load_connections(settings)
    assert set(connections.all) == {"acme", "ots", "et"}
    assert connections.perfecto["acme"].commands == "all"
    assert connections.enterprise_tester["et"].projects == ["Shop"]
    assert connections.alerts["team"].kind == "slack"
    assert CANARY not in repr(connections)


def test_a_value_comes_from_the_environment_and_defaults_are_those_of_the_interface() -> None:
    acme = parsed({"perfecto": {"acme": PERFECTO}}).perfecto["acme"]
    assert acme.token.get_secret_value() == CANARY
    assert acme.app_url == "https://acme.app.perfectomobile.com"
    assert (acme.verify_tls, acme.commands) == (True, "all")
    assert (acme.snapshot_every_minutes, acme.read_every_minutes) == (5, 60)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"perfecto": {"acme": PERFECTO | {"comands": "all"}}}, "[perfecto.acme]: unknown key comands; did you mean commands?"),
        ({"perfekto": {"acme": PERFECTO}}, "unknown section [perfekto]; did you mean perfecto?"),
        ({"perfecto": {"acme": {"token": "x"}}}, "[perfecto.acme]: app_url is missing"),
        ({"perfecto": {"acme": PERFECTO | {"commands": CANARY}}}, "commands: Input should be 'all', 'failed' or 'none'"),
        ({"perfecto": {"acme": PERFECTO | {"app_url": f"https://u:{CANARY}@x"}}}, "app_url: must be an http(s) URL without user"),
        ({"perfecto": {"acme": PERFECTO | {"app_url": f"https://x:{CANARY}/"}}}, "a port is a number"),
        ({"perfecto": {"acme": PERFECTO | {"app_url": "ftp://x"}}}, "app_url: must be an http(s) URL"),
        ({"perfecto": {"acme": PERFECTO | {"token": "${NOBODY}"}}}, "the environment variable NOBODY is not set"),
        ({"perfecto": {"acme": PERFECTO | {"max_in_flight": 0}}}, "max_in_flight: Input should be greater than 0"),
        ({"perfecto": {"acme": PERFECTO | {"ca_bundle": "/no/such.pem"}}}, "ca_bundle: Path does not point to a file"),
        ({"perfecto": {"acme": PERFECTO | {"token": ""}}}, "token: "),
        ({"perfecto": PERFECTO}, "perfecto.app_url is not a table"),
        ({"perfecto": {"a/b": PERFECTO}}, "a name has only letters"),
        ({"perfecto": {"et": PERFECTO}, "hcl": {"et": {"url": "https://x", "offline_token": "t", "projects": ["1"]}}}, "the name et is taken by [perfecto.et]"),
        ({"alerts": {"team": {"kind": "slak", "url": "${TOKEN}"}}}, "[alerts.team]: kind: Input should be 'slack'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place_and_what_would_be_right(document: dict, words: str) -> None:
    assert words in complaint(document)


def test_for_what_runs_unattended_each_wrong_entry_is_left_out_and_named_and_the_others_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOBODY", raising=False)
    file = tmp_path / "connections.toml"
    file.write_text("""
        [perfecto.acme]
        app_url = "https://x"
        token = "${NOBODY}"
        [perfecto.beta]
        app_url = "https://x"
        token = "t"
        [alerts.team]
        kind = "slak"
        url = "https://x"
        [alerts.boss]
        kind = "slack"
        url = "https://x"
        [perfekto.gamma]
        token = "t"
    """)
    usable = usable_connections(Settings(FLAKEHOUSE_CONNECTIONS=file))
    assert (set(usable.connections.all), set(usable.connections.alerts)) == ({"beta"}, {"boss"})
    assert list(usable.wrong) == ["perfecto.acme", "alerts.team", "perfekto"]
    assert usable.wrong["perfecto.acme"].endswith(
        "[perfecto.acme]: token: the environment variable NOBODY is not set (put it in .env)"
    )
    with pytest.raises(SettingsError, match="NOBODY is not set"):
        load_connections(Settings(FLAKEHOUSE_CONNECTIONS=file))


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"not found\. Copy connections\.example\.toml there .* simlab"):
        load_connections(Settings(FLAKEHOUSE_CONNECTIONS=tmp_path / "connections.toml"))


def test_a_file_that_is_no_toml_is_named_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "connections.toml"
    file.write_text("[perfecto.acme\n")
    with pytest.raises(SettingsError, match=r"connections\.toml: not valid TOML: .*line 1"):
        load_connections(Settings(FLAKEHOUSE_CONNECTIONS=file))


def test_everything_lies_under_home_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLAKEHOUSE_HOME", raising=False)
    assert Settings().lake == str(tmp_path / ".flakehouse" / "raw")
    (tmp_path / ".env").write_text("FLAKEHOUSE_HOME=elsewhere\n")
    assert Settings().home == tmp_path / "elsewhere"
    monkeypatch.setenv("FLAKEHOUSE_LAKE", str(tmp_path / "lake"))
    assert Settings().lake == str(tmp_path / "lake")


def test_a_secret_in_dotenv_reaches_its_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"ACME_TOKEN={CANARY}\n")
    (tmp_path / "connections.toml").write_text(
        '[perfecto.acme]\napp_url = "https://x"\ntoken = "${ACME_TOKEN}"\n'
    )
    assert load_connections(Settings()).perfecto["acme"].token.get_secret_value() == CANARY
