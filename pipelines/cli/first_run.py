"""`flakehouse init`: asks for the systems to read, looks at each, and writes `connections.toml` and `.env`.

Secrets go to `.env` alone, connections name them; both files are for their owner only, and what they hold is kept.
"""

from __future__ import annotations

import asyncio
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

import typer
from dotenv import dotenv_values, set_key
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from pipelines.cli.doctor import look_at
from pipelines.cli.terminal import CommandError, console
from pipelines.settings import DOTENV, Connection, Settings, SettingsError, parse_connections

_USUAL_URLS = {
    "app_url": "https://{name}.app.perfectomobile.com",
    "executions_url": "https://{name}.executions.perfectomobile.com",
    "services_url": "https://{name}.perfectomobile.com",
}


def init() -> None:
    file = Settings().connections_file
    out = console()
    out.print(
        f"Connections go to {file}, secrets to {Path(DOTENV).absolute()}; nothing is sent anywhere but to the"
        " systems that you name. An empty kind ends."
    )
    text = _held(file)
    kinds = {kind.kind: kind for kind in Connection.__subclasses__()}
    added = 0
    while kind := _chosen("Kind of system", kinds):
        text = _add(kinds[kind], file, text)
        added += 1
    if not added:
        raise CommandError("no connection was added; try the product first with `flakehouse demo`")
    out.print(f"{added} added. Next: `flakehouse doctor`, then `flakehouse ingest --start DATE --end DATE`")


def _add(kind: type[Connection], file: Path, text: str) -> str:
    """Asks until a connection is right, or kept as it is; the file's new text."""
    while True:
        name = typer.prompt(f"Name of this {kind.kind} connection")
        answers, secrets = _answers(kind, name)
        table = f"[{kind.kind}.{json.dumps(name)}]\n" + "".join(
            f"{key} = {json.dumps(value)}\n" for key, value in answers.items()
        )
        more = f"{text.rstrip()}\n\n{table}".lstrip()
        try:
            connections = parse_connections(tomllib.loads(more), _environment() | secrets, file.name)
        except SettingsError as error:
            typer.echo(f"not taken: {error}", err=True)
            continue
        if _answers_well(connections.all[name]) or typer.confirm("Keep it as it is?", default=False):
            _write(file, more, secrets)
            return more


def _answers(kind: type[Connection], name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What the connection needs, secrets as `${NAME}`, and those secrets by their names."""
    answers: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    for key, field in kind.model_fields.items():
        if key == "name" or not (field.is_required() or key in _USUAL_URLS):
            continue
        if field.annotation is SecretStr:
            variable = "".join(c if c.isalnum() else "_" for c in f"{name}_{key}").upper()
            variable = variable if variable[0].isalpha() else f"_{variable}"
            secrets[variable] = typer.prompt(key, hide_input=True)
            answers[key] = f"${{{variable}}}"
        elif _is_list(field):
            answers[key] = [part.strip() for part in typer.prompt(f"{key}, with commas").split(",")]
        else:
            answers[key] = typer.prompt(key, default=_USUAL_URLS.get(key, "").format(name=name) or None)
    return answers, secrets


def _is_list(field: FieldInfo) -> bool:
    annotation = field.annotation
    members = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return any(get_origin(member) is list for member in members)


def _answers_well(connection: Connection) -> bool:
    lines = asyncio.run(look_at(connection))
    for line in lines:
        typer.echo(f"  {line}")
    return not any(line.needs_attention for line in lines)


def _chosen(question: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    while True:
        answer = typer.prompt(f"{question} ({', '.join(known)})", default="", show_default=False).strip()
        if not answer or answer in known:
            return answer
        typer.echo(f"not known: {answer}", err=True)


def _held(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise CommandError(f"{file}: cannot be read ({error.strerror})") from None


def _environment() -> dict[str, str]:
    return {**{key: value for key, value in dotenv_values(DOTENV).items() if value}, **os.environ}


def _write(file: Path, text: str, secrets: Mapping[str, str]) -> None:
    """Secrets first: a connection never names one that is not there."""
    aside = file.with_name(f".{file.name}.new")
    try:
        if Path(DOTENV).exists():
            Path(DOTENV).chmod(0o600)
        for variable, value in secrets.items():
            set_key(DOTENV, variable, value)
        aside.unlink(missing_ok=True)
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as unfinished:
            unfinished.write(text)
        aside.replace(file)
    except OSError as error:
        raise CommandError(f"{error.filename or file}: cannot be written ({error.strerror})") from None
