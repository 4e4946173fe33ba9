"""What every command that writes needs: settings, a home that can be written, Dagster's storage, a log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
from rich.console import Console

from pipelines.cli import terminal
from pipelines.cli.days import ranges
from pipelines.cli.runs import Outcome, Run, Started, execute
from pipelines.cli.terminal import CommandError
from pipelines.lib.clock import utc_now
from pipelines.orchestration import instance
from pipelines.settings import Settings


@dataclass(frozen=True)
class Session:
    settings: Settings
    out: Console
    log: Path
    storage: dg.DagsterInstance

    def make(self, title: str, lanes: Sequence[Sequence[Run]]) -> list[Outcome]:
        """Make the runs and show how far they are."""
        jobs: dict[str, Run] = {}  # under way, by run id
        with terminal.stage(self.out, title, sum(map(len, lanes))) as stage:

            def watch(news: Started | Outcome) -> None:
                if isinstance(news, Outcome):
                    stage.step(_line(news))
                else:
                    stage.now(str(news.run))
                    if news.run.job:
                        jobs[news.run_id] = news.run

            def meanwhile() -> None:
                for run_id, run in jobs.items():
                    stage.now(f"{run}: {self.storage.get_run_stats(run_id).materializations} tables")

            try:
                outcomes = execute(self.settings.home, self.log, lanes, watch, meanwhile)
            finally:
                instance.fail_orphans(self.storage, utc_now())
        for warning, count in Counter(
            text for outcome in outcomes for text in outcome.warnings
        ).most_common():
            self.out.print(f"  warning, in {count} of {len(outcomes)} runs: {warning}")
        return outcomes

    def conclude(self, outcomes: Sequence[Outcome]) -> None:
        """CommandError that lists every failed run, grouped by reason; nothing where all went well."""
        failed = [outcome for outcome in outcomes if outcome.error]
        if not failed:
            return
        groups: dict[tuple[str, str], list[Outcome]] = {}
        for outcome in failed:
            groups.setdefault((outcome.run.subject, outcome.error or ""), []).append(outcome)
        lines = [
            f"failed: {subject}{_days(members)}: {error}" for (subject, error), members in groups.items()
        ]
        self.out.print(
            f"{len(outcomes) - len(failed)} of {len(outcomes)} runs succeeded; what they landed is kept"
        )
        self.out.print(f"log: {self.log}")
        raise CommandError("\n".join(lines))


@contextmanager
def session(command: str) -> Iterator[Session]:
    """CommandError where the home cannot be written."""
    settings, out = Settings(), terminal.console()
    try:
        with terminal.noise_to(instance.logs(settings.home), command) as log:
            storage = instance.of(settings.home)
            instance.fail_orphans(storage, utc_now())
            yield Session(settings, out, log, storage)
    except OSError as error:
        if error.filename and Path(error.filename).is_relative_to(settings.home):
            raise CommandError(
                f"{error.filename}: cannot be written ({error.strerror}); "
                "set FLAKEHOUSE_HOME to a folder where you may write"
            ) from error
        raise


def _days(failed: Sequence[Outcome]) -> str:
    """` 2026-01-01 to 2026-01-03, 2026-01-05 (2 not tried)`."""
    days = [date.fromisoformat(outcome.run.day) for outcome in failed if outcome.run.day]
    if not days:
        return ""
    untried = sum(not outcome.is_tried for outcome in failed)
    return f" {ranges(days)}{f' ({untried} not tried)' if untried else ''}"


def _line(outcome: Outcome) -> str:
    if outcome.error:
        return f"{outcome.run}: {'failed' if outcome.is_tried else 'not tried'}"
    if outcome.run.job:
        return f"{outcome.run}: {outcome.run.done} ({outcome.seconds:.0f} s)"
    rejected = f", {outcome.rejected:,} rejected" if outcome.rejected else ""
    return f"{outcome.run}: {outcome.rows.total():,} rows{rejected} ({outcome.seconds:.1f} s)"
