"""`flakehouse build`: from the lake to the published warehouse."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from pipelines.cli.days import parsed_day
from pipelines.cli.runs import Outcome, Run
from pipelines.cli.session import Session, session
from pipelines.cli.terminal import CommandError
from pipelines.defs.warehouse import beginning
from pipelines.defs.warehouse.project import WarehouseProject

JOB = "build_warehouse"
SPARK = "spark"


def build(as_of: str | None, target: str, anew: bool = False) -> None:
    if as_of:
        as_of = parsed_day("--as-of", as_of).isoformat()
    if target == SPARK and (reason := why_not_spark()):
        raise CommandError(f"{reason}; nothing was built")
    with session("build") as current:
        if target != SPARK and not anew and _is_up_to_date(current, as_of):
            current.out.print("nothing changed since the last build: no file of the lake, and no rule")
            return
        outcome = build_warehouse(current, as_of, target, anew)
    if outcome.error:
        raise CommandError(f"not published, the last good build is still there: {outcome.error}")
    if target == SPARK:
        current.out.print(
            "published as Parquet in marts/; warehouse/flakehouse.duckdb is what DuckDB built last, if it did"
        )


def why_not_spark() -> str | None:
    """What Spark needs and this machine lacks; None where it is all there."""
    if not find_spec("pyspark"):
        return "Spark is not installed: `make spark` installs it"
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        return "Spark needs Java 17, and neither `java` nor JAVA_HOME is there"
    return None


def _is_up_to_date(current: Session, as_of: str | None) -> bool:
    project = WarehouseProject(current.settings)
    return beginning.is_up_to_date(project.folders, Path(project.lake), project.rules(as_of))


def build_warehouse(
    current: Session, as_of: str | None = None, target: str = "duckdb", anew: bool = False
) -> Outcome:
    config = {"resources": {"warehouse": {"config": {"as_of": as_of, "target": str(target), "anew": anew}}}}
    (outcome,) = current.make("Building the warehouse", [[Run("warehouse", job=JOB, config=config)]])
    return outcome
