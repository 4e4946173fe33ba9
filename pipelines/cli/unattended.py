"""What `flakehouse doctor` says of what goes on by itself: storage, daemon, code location, pages, switches, the build."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus

from pipelines.defs.warehouse.behind import published
from pipelines.lib.probing import Finding
from pipelines.settings import Settings

HEARD_WITHIN = timedelta(minutes=2)
"""The daemon notes that it lives every half a minute."""

_SECONDS_TO_CONNECT = 3
_LONGEST = 200


def findings(settings: Settings, now: datetime) -> Iterator[tuple[str, Finding]]:
    """Subject and finding of each part. Reads, and changes nothing."""
    folder = settings.home / "dagster"
    if not (folder / "dagster.yaml").exists():
        yield "daemon", Finding("off", "nothing has run here yet")
        return
    storage, heard_at = Finding("ok", "answers"), None
    try:
        missing = [name for name in _named(folder / "dagster.yaml") if not os.environ.get(name)]
        if missing:
            what = f"dagster.yaml takes {', '.join(missing)} from the environment, where it is not set"
            raise LookupError(what)
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            found = [*_of_instance(instance, now)]
            heard_at = _heard_at(instance)
    except LookupError as error:
        advice = "type it as the service: `sudo /opt/flakehouse/deploy/flakehouse doctor`"
        storage, found = Finding("wrong", str(error), advice), []
    except Exception as error:  # noqa: BLE001  whatever a storage says, it is a line among the others
        advice = (
            "where it is PostgreSQL, `systemctl status postgresql` says why; until it answers nothing is read"
        )
        storage, found = Finding("wrong", f"does not answer: {_reason(error)}", advice), []
    yield "dagster's storage", storage
    yield from found
    yield from _code_location()
    if heard_at is not None:
        yield "webserver", _webserver(settings)
    yield "build", _build(settings, now, is_unattended=heard_at is not None)


def _of_instance(instance: dg.DagsterInstance, now: datetime) -> Iterator[tuple[str, Finding]]:
    yield "daemon", _daemon(_heard_at(instance), now)
    states = instance.all_instigator_state()
    off = sorted(state.instigator_name for state in states if state.status == InstigatorStatus.STOPPED)
    if off:
        what, advice = f"switched off: {', '.join(off)}", "switch them on under Automation of Dagster's pages"
        yield "sensors and schedules", Finding("wrong", what, advice)
    elif states:
        yield "sensors and schedules", Finding("ok", f"{len(states)}, all on")
    for state in states:
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        if ticks and ticks[0].status == TickStatus.FAILURE and state.instigator_name not in off:
            error = ticks[0].tick_data.error
            what = f"failed at {_shown(ticks[0].timestamp)}: {_first_line(error.message if error else '')}"
            advice = f"Automation, {state.instigator_name} has the whole message; it is tried again by itself"
            yield state.instigator_name, Finding("wrong", what, advice)


def _heard_at(instance: dg.DagsterInstance) -> float | None:
    """Seconds since 1970; none where no daemon ever ran."""
    return max((beat.timestamp for beat in instance.get_daemon_heartbeats().values()), default=None)


def _daemon(heard_at: float | None, now: datetime) -> Finding:
    if heard_at is None:
        state = "wrong" if os.environ.get("FLAKEHOUSE_CODE_HOST") else "off"
        advice = "`systemctl enable --now flakehouse-daemon`"
        return Finding(state, "none has run here: nothing is read or built by itself", advice)
    if now.timestamp() - heard_at <= HEARD_WITHIN.total_seconds():
        return Finding("ok", f"heard of at {_shown(heard_at)}")
    advice = "`systemctl status flakehouse-daemon` says why (or start `flakehouse dev`); until then nothing is asked for"
    return Finding("wrong", f"not heard of since {_shown(heard_at)}", advice)


def _code_location() -> Iterator[tuple[str, Finding]]:
    """Of a deployment; `flakehouse dev` starts its own."""
    host, port = os.environ.get("FLAKEHOUSE_CODE_HOST"), os.environ.get("FLAKEHOUSE_CODE_PORT")
    if not host or not port:
        return
    advice = "`systemctl status flakehouse-code` says why; until it answers no run starts"
    yield "code location", _answering(host, int(port), advice)


def _webserver(settings: Settings) -> Finding:
    """Where every alert leads."""
    place = urlsplit(settings.ui_url)
    advice = (
        "`systemctl status flakehouse-webserver` says why (or start `flakehouse dev`); "
        "if Dagster's pages are elsewhere, set FLAKEHOUSE_UI_URL: alerts lead there"
    )
    return _answering(place.hostname or "", place.port or (443 if place.scheme == "https" else 80), advice)


def _answering(host: str, port: int, advice: str) -> Finding:
    try:
        socket.create_connection((host, port), _SECONDS_TO_CONNECT).close()
    except OSError as error:
        return Finding("wrong", f"nothing answers at {host}:{port} ({error.strerror or error})", advice)
    return Finding("ok", f"answers at {host}:{port}")


def _build(settings: Settings, now: datetime, *, is_unattended: bool) -> Finding:
    known = published(settings, now)
    what = f"published at {_shown(known.at.timestamp())}" if known.at else "nothing is published yet"
    if known.behind_since is None:
        return Finding("ok" if known.at else "off", what)
    advice = "Runs, job build_warehouse, say why; `flakehouse build` tries it here and now"
    since = f"the lake has changed since {_shown(known.behind_since.timestamp())}"
    return Finding("wrong" if is_unattended else "off", f"{what}; {since}", advice)


def _named(file: Path) -> list[str]:
    """Environment variables that the file takes."""
    lines = (line.partition("#")[0] for line in file.read_text().splitlines())
    return re.findall(r"\{\s*env:\s*(\w+)\s*\}", "\n".join(lines))


def _reason(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return f"{_first_line(str(error))}" or error.__class__.__name__


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0][:_LONGEST]


def _shown(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
