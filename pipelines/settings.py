"""Where things lie (environment, `.env`) and which systems are read (`connections.toml`), typed and checked.

Nothing is read when this module is imported. A wrong key is refused with its place and the nearest right one;
no message ever holds a secret's value.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

DOTENV = ".env"
MOST_REJECTED = 0.01
"""Beyond this share of rejected records a partition's numbers should not be believed without a look."""

SWEPT_DAYS = 30
"""Days that are read anew every week: what age limits took of them would come back."""


class SettingsError(Exception):
    """One clear line: which file, which key, what is wrong with it, what to do."""


_HTTP_URL = re.compile(r"https?://([^/?#@\s:\[\]]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?(/[^?#\s]*)?")


def _checked_url(url: str) -> str:
    if not _HTTP_URL.fullmatch(url):
        raise ValueError("must be an http(s) URL without user, password, query or spaces; a port is a number")
    return url.rstrip("/")


Url = Annotated[str, AfterValidator(_checked_url)]


class Settings(BaseSettings):
    """The environment variables; relative paths are seen from the current folder."""

    model_config = SettingsConfigDict(env_prefix="FLAKEHOUSE_", env_file=DOTENV, extra="ignore")

    home: Path = Path(".flakehouse")
    lake: str = ""
    connections_file: Path = Field(Path("connections.toml"), validation_alias="FLAKEHOUSE_CONNECTIONS")
    most_rejected: float = Field(MOST_REJECTED, ge=0, le=1)
    build_every_minutes: PositiveInt = 60
    ui_url: Url = "http://127.0.0.1:3000"  # of Dagster's pages, for links in alerts
    keep_days: int | None = Field(None, gt=SWEPT_DAYS)
    keep_raw_days: int | None = Field(None, gt=SWEPT_DAYS)
    keep_runs_days: PositiveInt = 30  # of Dagster's history

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            name = str(first["loc"][0]).upper().removeprefix("FLAKEHOUSE_")
            raise SettingsError(f"FLAKEHOUSE_{name}: {first['msg']}") from None

    def model_post_init(self, _context: Any) -> None:
        self.home = self.home.expanduser().absolute()
        if self.lake.startswith("s3://"):
            raise SettingsError("FLAKEHOUSE_LAKE: s3:// is not supported yet; give a folder")
        self.lake = str(Path(self.lake).expanduser().absolute()) if self.lake else str(self.home / "raw")
        self.connections_file = self.connections_file.expanduser().absolute()


class Connection(BaseModel):
    """One system to read, and how hard it may be asked."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    kind: ClassVar[str]

    name: str = Field(exclude=True)
    ca_bundle: FilePath | None = None
    verify_tls: bool = True
    max_in_flight: PositiveInt = 16
    requests_per_second: PositiveFloat | None = None
    timeout_seconds: PositiveFloat = 60
    snapshot_every_minutes: PositiveInt = 5
    read_every_minutes: PositiveInt = 60  # the days that may have changed


class PerfectoConnection(Connection):
    kind: ClassVar[str] = "perfecto"

    app_url: Url
    executions_url: Url | None = None
    services_url: Url | None = None
    token: SecretStr = Field(min_length=1)
    commands: Literal["all", "failed", "none"] = "all"


class HclConnection(Connection):
    kind: ClassVar[str] = "hcl"

    url: Url
    offline_token: SecretStr = Field(min_length=1)
    projects: list[str] = Field(min_length=1)
    execution_logs: bool = False


class EnterpriseTesterConnection(Connection):
    kind: ClassVar[str] = "enterprise_tester"

    url: Url
    username: SecretStr = Field(min_length=1)
    password: SecretStr = Field(min_length=1)
    projects: list[str] | None = None


class Alert(BaseModel):
    """Where alerts go. `url` is a secret: whoever has a webhook's URL can post to it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(exclude=True)
    kind: Literal["slack", "teams", "webhook", "email"]
    url: SecretStr = Field(min_length=1)  # of e-mail: smtp://user:password@host:587, or smtps://
    sender: str = "flakehouse@localhost"  # of e-mail, as the recipients
    recipients: list[str] = []
    least_failures: PositiveInt = 5  # a new failure reason with fewer test runs is no alert

    @model_validator(mode="after")
    def _is_reachable(self) -> Alert:
        scheme = self.url.get_secret_value().partition("://")[0]
        if self.kind == "email" and scheme not in ("smtp", "smtps"):
            raise ValueError("url: an e-mail's is smtp://user:password@host:587, or smtps://")
        if self.kind == "email" and not self.recipients:
            raise ValueError('recipients: an e-mail needs at least one, as ["team@example.com"]')
        return self


class Connections(BaseModel):
    """Everything `connections.toml` names. Kinds that a source brought along are `model_extra`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    perfecto: dict[str, PerfectoConnection] = {}
    hcl: dict[str, HclConnection] = {}
    enterprise_tester: dict[str, EnterpriseTesterConnection] = {}
    alerts: dict[str, Alert] = {}

    @property
    def all(self) -> dict[str, Connection]:
        """Every connection by name; names are unique across kinds."""
        brought = [*(self.model_extra or {}).values()]
        kinds = (self.perfecto, self.hcl, self.enterprise_tester, *brought)
        return {name: connection for kind in kinds for name, connection in kind.items()}


def _sections() -> dict[str, type[Connection] | type[Alert]]:
    """What a table of `connections.toml` may be called: every kind of connection there is, and alerts."""
    return {kind.kind: kind for kind in Connection.__subclasses__()} | {"alerts": Alert}


# A name becomes a folder (`connection=<name>`) and part of a partition's key, whose parts `|` separates.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Usable:
    """What can be used of the connections file, and what is wrong with the rest of it: a line by section and name."""

    connections: Connections
    wrong: Mapping[str, str]


def load_connections(settings: Settings) -> Connections:
    """The systems named in `connections.toml`, or a `SettingsError` that says what to mend."""
    return _without_a_mistake(usable_connections(settings))


def usable_connections(settings: Settings) -> Usable:
    """For what runs unattended: an entry with a mistake is left out. `SettingsError` where no entry can be read."""
    path = settings.connections_file
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"{path}: not found. Copy connections.example.toml there and fill it in, or let"
            f" `flakehouse simlab --connections {path.name}` write one for the simulated lab"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error.__class__.__name__}") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None
    environment = {**{k: v for k, v in dotenv_values(DOTENV).items() if v is not None}, **os.environ}
    return _parsed(document, environment, str(path))


def parse_connections(document: Mapping[str, Any], environment: Mapping[str, str], place: str) -> Connections:
    """Connections from a parsed TOML document; `place` names it in messages."""
    return _without_a_mistake(_parsed(document, environment, place))


def _without_a_mistake(usable: Usable) -> Connections:
    for mistake in usable.wrong.values():
        raise SettingsError(mistake)
    return usable.connections


def _parsed(document: Mapping[str, Any], environment: Mapping[str, str], place: str) -> Usable:
    sections = _sections()
    found: dict[str, dict[str, Any]] = {section: {} for section in sections}
    wrong: dict[str, str] = {}
    owner: dict[str, str] = {}
    for section, entries in document.items():
        if section not in sections:
            wrong[section] = f"{place}: unknown section [{section}]{_nearest(section, sections)}"
            continue
        if not isinstance(entries, dict):
            wrong[section] = f"{place}: {section} must hold tables such as [{section}.some_name]"
            continue
        for name, keys in entries.items():
            try:
                found[section][name] = _named(section, name, keys, owner, environment, place)
            except SettingsError as error:
                wrong[f"{section}.{name}"] = str(error)
    return Usable(Connections(**found), wrong)


def _named(
    section: str, name: str, keys: Any, owner: dict[str, str], environment: Mapping[str, str], place: str
) -> Connection | Alert:
    """The entry `[section.name]`; `owner` tells in which section the connections so far are."""
    where = f"{section}.{name}"
    if not isinstance(keys, dict):
        raise SettingsError(
            f"{place}: {where} is not a table: a connection has a name, as in [{section}.some_name]"
        )
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{place}: [{where}]: a name has only letters, digits, '_', '.' and '-', 64 at most"
        )
    if section != "alerts" and owner.setdefault(name, section) != section:
        raise SettingsError(
            f"{place}: [{where}]: the name {name} is taken by [{owner[name]}.{name}];"
            " names are unique across kinds"
        )
    return _entry(_sections()[section], where, name, keys, environment, place)


def _entry(
    model: type[Connection] | type[Alert],
    where: str,
    name: str,
    keys: Mapping[str, Any],
    environment: Mapping[str, str],
    place: str,
) -> Connection | Alert:
    known = [field for field in model.model_fields if field != "name"]
    for key in keys:
        if key not in known:
            raise SettingsError(f"{place}: [{where}]: unknown key {key}{_nearest(key, known)}")
    filled = {k: _filled(v, environment, f"{place}: [{where}]: {k}") for k, v in keys.items()}
    try:
        return model(name=name, **filled)
    except ValidationError as error:
        raise SettingsError(f"{place}: [{where}]: {_reason(error.errors(include_input=False)[0])}") from None


def _reason(error: ErrorDetails) -> str:
    if not error["loc"]:
        return error["msg"].removeprefix("Value error, ")
    key = str(error["loc"][0])
    if error["type"] == "missing":
        return f"{key} is missing"
    return f"{key}: {error['msg'].removeprefix('Value error, ')}"


def _filled(value: Any, environment: Mapping[str, str], where: str) -> Any:
    """The value with each `${NAME}` taken from the environment."""
    if isinstance(value, list):
        return [_filled(item, environment, where) for item in value]
    if not isinstance(value, str):
        return value

    def take(match: re.Match[str]) -> str:
        name = match.group(1)
        if not environment.get(name):
            raise SettingsError(f"{where}: the environment variable {name} is not set (put it in .env)")
        return environment[name]

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", take, value)


def _nearest(key: str, known: Any) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(sorted(known))}"
