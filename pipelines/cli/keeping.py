"""`flakehouse housekeep`: the lake tidied, beside whatever is running."""

from __future__ import annotations

from pipelines.cli.runs import Run
from pipelines.cli.session import session

JOB = "housekeeping"


def housekeep() -> None:
    with session("housekeep") as current:
        outcomes = current.make("Keeping house", [[Run("lake", job=JOB, done="tidied")]])
    current.conclude(outcomes)
