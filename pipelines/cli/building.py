"""`flakehouse build`: from the lake to the published warehouse."""

from __future__ import annotations

from pipelines.cli.days import parsed_day
from pipelines.cli.runs import Outcome, Run
from pipelines.cli.session import Session, session
from pipelines.cli.terminal import CommandError

JOB = "build_warehouse"


def build(as_of: str | None) -> None:
    if as_of:
        as_of = parsed_day("--as-of", as_of).isoformat()
    with session("build") as current:
        outcome = build_warehouse(current, as_of)
    if outcome.error:
        raise CommandError(f"not published, the last good build is still there: {outcome.error}")


def build_warehouse(current: Session, as_of: str | None = None) -> Outcome:
    config = {"resources": {"warehouse": {"config": {"as_of": as_of}}}} if as_of else {}
    (outcome,) = current.make("Building the warehouse", [[Run("warehouse", job=JOB, config=config)]])
    return outcome
