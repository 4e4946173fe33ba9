"""What the lake and the published warehouse tell, as findings: landings that went wrong, and what the marts found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import duckdb

from pipelines.defs.warehouse.behind import published
from pipelines.defs.warehouse.folders import Folders
from pipelines.lib import landings
from pipelines.lib.alerts import Finding, one_line
from pipelines.lib.answer import NOBODY_ASKED
from pipelines.lib.ingest_partitions import ONLY_CHANGES
from pipelines.lib.lake_files import LakeError
from pipelines.orchestration.cadence import SKEW
from pipelines.settings import Settings

_LANDINGS_OF = timedelta(hours=24)
STAYS_PARTIAL = timedelta(hours=2)
"""An answer in part is mostly whole when it is asked for again: at the next round, or an hour later."""

_NEWEST_LANDINGS = """
    , answered as (
        select *, max(case when coalesce(is_complete, true) then started_at end) over place as complete_at
        from landings
        where error is null and note is distinct from $only_changes and started_at between $since and $until
        window place as (partition by source_name, table_name, connection, day)
    )
    select source_name || '.' || table_name, connection, day, coalesce(received, 0), coalesce(rejected, 0),
           coalesce(undeclared_fields, []), coalesce(note, ''),
           min(case when complete_at is null or started_at > complete_at then started_at end) over place
    from answered
    window place as (partition by source_name, table_name, connection, day)
    qualify started_at = max(started_at) over place
    order by all
"""
_REASONS = """
    select failure_id, occurrences, tests, regexp_replace(example_message, '\\s+', ' ', 'g')
    from marts.failure_reasons where is_new and occurrences >= $least order by occurrences desc, failure_id
"""
_REGRESSIONS = """
    select connection, test_name, base_rate, base_runs, sample_rate, sample_runs
    from marts.test_regressions where is_regression order by q_value, connection, test_name
"""
_OUTAGES = """
    select connection, scope, scope_id, min(started_at) as began_at, max(ended_at), sum(failures), count(*)
    from marts.outages where ended_at > $since group by all order by began_at, connection, scope, scope_id
"""
_OUTAGES_OF = timedelta(hours=24)  # a first build finds those of weeks, of which nobody need be told now


def of_lake(settings: Settings, now: datetime) -> list[Finding]:
    """Landings that went wrong, and a warehouse that the lake has left behind."""
    return _unless_unreadable("the lake", lambda: [*failed_landings(settings, now), *behind(settings, now)])


def of_warehouse(settings: Settings, least_failures: int, now: datetime) -> list[Finding]:
    return _unless_unreadable("the published warehouse", lambda: discoveries(settings, least_failures, now))


def _unless_unreadable(what: str, find: Callable[[], list[Finding]]) -> list[Finding]:
    """What cannot be read is a finding itself, and keeps no other from being told."""
    try:
        return find()
    except (duckdb.Error, LakeError, OSError) as error:
        text = f"{what} cannot be read: {type(error).__name__}. `flakehouse doctor` looks at the disk and the folders"
        return [Finding(f"unreadable/{what}", "Cannot be read", text)]


def behind(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Builds that do not come, or do not end well, whatever the reason."""
    known = published(settings, now)
    if known.behind_since:
        what = (
            f"the published warehouse is of {known.at:%Y-%m-%d %H:%M} UTC"
            if known.at
            else "nothing is published"
        )
        text = (
            f"{what}, and the lake has changed since {known.behind_since:%Y-%m-%d %H:%M} UTC. "
            "Runs, job build_warehouse, say why; `flakehouse build` tries it"
        )
        yield Finding("published/behind", "Late data", text, f"{settings.ui_url}/assets/warehouse/published")


def failed_landings(settings: Settings, now: datetime) -> Iterator[Finding]:
    """What the newest landing of each table, connection and day says; the days of a connection are told together.

    A field that no contract names is a finding of its own, so that the next one is news.
    """
    since = now - _LANDINGS_OF
    chosen = {"only_changes": ONLY_CHANGES, "since": since, "until": now + SKEW}
    rows = landings.rows(settings.lake, since.date(), _NEWEST_LANDINGS, chosen)
    found: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for table, connection, day, received, rejected, fields, note, partial_since in rows:
        said = {}
        if rejected > settings.most_rejected * (received + rejected):
            why = f"why is in {table.partition('.')[2]}__rejected"
            said["records_accepted",] = f"{rejected:,} of {received + rejected:,} records rejected; {why}"
        if partial_since and now - partial_since > STAYS_PARTIAL and NOBODY_ASKED not in note:
            told = f"the source has told only a part since {partial_since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            said["answer_complete",] = f"{told}: {note}" if note else told
        for field in fields:
            said["declared_fields", field] = f"the contract does not name the field {field}; it is in _raw"
        for check, text in said.items():
            found.setdefault((table, connection, *check), []).append((day or "the last round", text))
    for (table, connection, check, *field), days in found.items():
        when, text = max(days)
        others = f" and {len(days) - 1} more {'day' if len(days) == 2 else 'days'}" if len(days) > 1 else ""
        yield Finding(
            "/".join(["check", table, check, connection, *field]),
            "Drift" if field else "Failed checks",
            one_line(f"{table}: {connection}, {when}{others}: {text}"),
            f"{settings.ui_url}/assets/{table.replace('.', '/')}?view=checks&checkDetail={check}",
        )


def discoveries(settings: Settings, least_failures: int, now: datetime) -> list[Finding]:
    """New failure reasons, regressions and outages, as published. Nothing where nothing is published yet."""
    file = Folders(settings.home).published
    if not file.exists():
        return []
    with duckdb.connect(file, read_only=True) as warehouse:
        marts = {name for (name,) in warehouse.sql("select table_name from duckdb_tables() where schema_name = 'marts'").fetchall()}  # fmt: skip
        found: list[Finding] = []
        if "failure_reasons" in marts:
            found += _reasons(
                warehouse.execute(_REASONS, {"least": least_failures}).fetchall(), settings.ui_url
            )
        if "test_regressions" in marts:
            found += _regressions(warehouse.execute(_REGRESSIONS).fetchall(), settings.ui_url)
        if "outages" in marts:
            since = (now - _OUTAGES_OF).astimezone(UTC).replace(tzinfo=None)
            found += _outages(warehouse.execute(_OUTAGES, {"since": since}).fetchall(), settings.ui_url)
    return found


def _reasons(rows: Iterable[tuple], ui_url: str) -> Iterator[Finding]:
    for failure_id, runs, tests, example in rows:
        counted = f"{runs} runs of {tests} {'test' if tests == 1 else 'tests'}"
        link = f"{ui_url}/assets/marts/failure_reasons"
        yield Finding(f"reason/{failure_id}", "New failure reasons", one_line(f"{counted}: {example}"), link)


def _regressions(rows: Iterable[tuple], ui_url: str) -> Iterator[Finding]:
    for connection, test, base_rate, base_runs, rate, runs in rows:
        before = f", before {base_rate:.0%} of {base_runs}" if base_runs else ""
        text = f"{connection}: {test} fails {rate:.0%} of {runs} runs{before}"
        link = f"{ui_url}/assets/marts/test_regressions"
        yield Finding(f"regression/{connection}/{test}", "New regressions", one_line(text), link)


def _outages(rows: Iterable[tuple], ui_url: str) -> Iterator[Finding]:
    """One for each device, location or connection: a device that is out again and again is one finding."""
    for connection, scope, scope_id, began_at, ended_at, failures, count in rows:
        where = (
            f"{connection}: {scope} {scope_id}" if scope != "connection" else f"{connection}: the connection"
        )
        often = f" {count} times" if count > 1 else ""
        failed = f"{failures} test run{'' if failures == 1 else 's'} failed for no fault of theirs"
        text = f"{where} was out{often}, {began_at:%Y-%m-%d %H:%M} to {ended_at:%Y-%m-%d %H:%M} UTC: {failed}"
        link = f"{ui_url}/assets/marts/outages"
        yield Finding(f"outage/{connection}/{scope}/{scope_id}", "Outages", one_line(text), link)
