"""`flakehouse doctor`: whether everything that is configured can be read, and everything here be written.

Asks little of each system and changes nothing, here or there.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from platform import python_version
from types import ModuleType

from pipelines.cli import unattended
from pipelines.cli.terminal import CommandError, console
from pipelines.defs.sources import contracts
from pipelines.lib.clock import Clock, utc_now
from pipelines.lib.probing import Finding, examined
from pipelines.settings import Connection, Settings, SettingsError, usable_connections

MOST_SKEW_SECONDS = 60
"""Days end at midnight and observations are seconds apart: beyond this, rows land where they do not belong."""

LEAST_FREE_BYTES = 2 << 30
SHOWN_VERSIONS = ("flakehouse", "dagster", "dbt-core", "dbt-duckdb", "duckdb", "pyarrow")


@dataclass(frozen=True)
class Line:
    subject: str
    finding: Finding

    def __str__(self) -> str:
        advice = f"; {self.finding.advice}" if self.finding.advice and self.needs_attention else ""
        return f"{self.finding.state:<8} {self.subject}: {self.finding.what}{advice}"

    @property
    def needs_attention(self) -> bool:
        return self.finding.state in ("partial", "wrong")


def doctor(*, only_here: bool) -> None:
    out, settings = console(), Settings()
    lines = []

    def show(line: Line) -> None:
        out.print(str(line))
        lines.append(line)

    for line in _here(settings):
        show(line)
    connections = _configured(settings, show)
    if not only_here:
        asyncio.run(_everywhere(connections, show))
    if wrong := sum(line.needs_attention for line in lines):
        raise CommandError(f"{wrong} of {len(lines)} lines need attention: those that are partial or wrong")


def _here(settings: Settings) -> Iterator[Line]:
    yield Line("versions", _versions())
    for variable, folder in (("FLAKEHOUSE_HOME", settings.home), ("FLAKEHOUSE_LAKE", Path(settings.lake))):
        place = variable.removeprefix("FLAKEHOUSE_").lower()
        yield Line(place, _writable(folder, f"set {variable} to a folder where you may write"))
        yield Line(f"disk ({place})", _disk(folder))
    for subject, finding in unattended.findings(settings, utc_now()):
        yield Line(subject, finding)


def _versions() -> Finding:
    found = [f"Python {python_version()}"]
    for name in SHOWN_VERSIONS:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            return Finding("wrong", f"{name} is not installed", "run `make clean demo` to set up .venv anew")
    return Finding("ok", ", ".join(found))


def _writable(folder: Path, advice: str) -> Finding:
    there = _nearest_there(folder)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return Finding("wrong", f"{folder} cannot be written ({error.strerror})", advice)
    return Finding("ok", f"{folder} can be written" + ("" if there == folder else ", and will be made"))


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(_nearest_there(folder)).free
    what = f"{free / (1 << 30):,.1f} GB free"
    return Finding("ok" if free >= LEAST_FREE_BYTES else "wrong", what, "make room, or choose another disk")


def _nearest_there(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def _configured(settings: Settings, show: Callable[[Line], None]) -> Iterable[Connection]:
    """The connections that can be asked; shows what is wrong with others, and who is told of trouble."""
    try:
        usable = usable_connections(settings)
    except SettingsError as error:
        show(Line("settings", Finding("wrong", str(error))))
        return ()
    connections = usable.connections.all.values()
    for mistake in usable.wrong.values():
        show(Line("settings", Finding("wrong", mistake)))
    if not usable.wrong:
        what = f"{settings.connections_file} names {len(connections)} connections"
        show(Line("settings", Finding("ok", what)))
    show(Line("alerts", _alerts(usable.connections.alerts)))
    return connections


def _alerts(places: Iterable[str]) -> Finding:
    if names := ", ".join(sorted(places)):
        return Finding("ok", f"go to {names}")
    return Finding("off", "nobody is told of what goes wrong: the connections file has no [alerts.…]")


async def _everywhere(connections: Iterable[Connection], show: Callable[[Line], None]) -> None:
    """All connections side by side; shown in the order of the file, each as soon as it is known."""
    looks = [asyncio.create_task(look_at(connection)) for connection in connections]
    for look in looks:
        for line in await look:
            show(line)


async def look_at(connection: Connection, clock: Clock = utc_now) -> list[Line]:
    """One line per table of a connection, and one on its clock."""
    label = f"{connection.kind}.{connection.name}"
    contracts_of_kind = [contract for contract in contracts() if connection.kind == contract.KIND]
    answers = await asyncio.gather(
        *(_of_source(contract, connection, clock) for contract in contracts_of_kind)
    )
    lines, skews = [], []
    for contract, findings in zip(contracts_of_kind, answers, strict=True):
        for table in contract.TABLES:
            finding = findings[table.name]
            lines.append(Line(f"{label} {contract.SOURCE}.{table.name}", _without(label, finding)))
            if finding.clock_skew_seconds is not None:
                skews.append(finding.clock_skew_seconds)
    if skews:
        lines.append(Line(f"{label} clock", _clock(max(skews, key=abs))))
    return lines


async def _of_source(contract: ModuleType, connection: Connection, clock: Clock) -> dict[str, Finding]:
    module = import_module(f"{contract.__name__.rpartition('.')[0]}.doctor")
    return await examined(module.client, module.PROBES, connection, clock)


def _without(label: str, finding: Finding) -> Finding:
    """Errors of a source begin with the connection, which the line names already."""
    what = finding.what.removeprefix(f"{label} ")
    return Finding(finding.state, what, finding.advice, finding.clock_skew_seconds)


def _clock(skew: float) -> Finding:
    if abs(skew) <= MOST_SKEW_SECONDS:
        return Finding("ok", f"within {max(abs(skew), 1):.0f} s of ours")
    side = "ahead of" if skew > 0 else "behind"
    return Finding("wrong", f"{abs(skew):,.0f} s {side} ours", "set both clocks by a time server")
