"""The warehouse as an asset sees it: build some models, read what is built, publish."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.defs.sources import contracts
from pipelines.defs.warehouse import beginning, publish
from pipelines.defs.warehouse.beginning import Beginning
from pipelines.defs.warehouse.build_state import BuildState
from pipelines.defs.warehouse.built import opened
from pipelines.defs.warehouse.folders import Folders
from pipelines.defs.warehouse.project import WarehouseProject
from pipelines.defs.warehouse.translator import DERIVED
from pipelines.orchestration.instance import is_over, note_worker
from pipelines.orchestration.lake import Lake
from pipelines.settings import Settings

# Unit tests check the models' code, not this lake's data: `make test` runs them. A data test whose tables lie
# in both groups of models runs with the later one.
BUILD = ["build", "--exclude-resource-type", "unit_test", "--indirect-selection", "buildable"]


class Warehouse(dg.ConfigurableResource):
    as_of: str | None = None
    """YYYY-MM-DD: ignore every run that started after this UTC day."""

    target: str = "duckdb"
    """The engine that builds, as dbt's profile calls it."""

    anew: bool = False
    """Make all of history anew, whatever the last build has."""

    def begin(self, context: dg.AssetExecutionContext) -> Beginning:
        """Prepare the build database: nothing may be published before every model was built and tested on it."""
        project, state = self._claimed(context)
        Lake(root=project.lake).prepare(table for contract in contracts() for table in contract.TABLES)
        if self.target == "spark":
            begun = beginning.begin_on_spark(project.folders)
        else:
            rules = project.rules(self.as_of)
            begun = beginning.begin(project.folders, Path(project.lake), rules, anew=self.anew)
        state.begin_all([*project.tables(), *(".".join(key.path) for key in DERIVED.values())])
        context.log.info(str(begun))
        return begun

    def build(self, context: dg.AssetExecutionContext) -> Iterator[Any]:
        """Build and test the selected models; dagster.Failure, naming what failed, unless all is well."""
        project, state = self._claimed(context)
        tables = _names(context)
        state.begin(tables)
        arguments = [*BUILD, "--vars", project.variables(self.as_of)]
        invocation = project.cli().cli(arguments, context=context, raise_on_error=False)
        yield from invocation.stream()
        if not invocation.is_successful():
            raise dg.Failure(_what_failed(invocation), allow_retries=False)
        state.prove(tables)

    def query(self, context: dg.AssetExecutionContext, sql: str) -> pa.Table:
        project, _ = self._claimed(context)
        with opened(project.folders) as connection:
            return connection.sql(sql).to_arrow_table()

    def write_derived(self, context: dg.AssetExecutionContext, name: str, table: pa.Table) -> dict[str, Any]:
        """Replace a table that a Python asset derives, where the models that follow find it."""
        project, state = self._claimed(context)
        folder = project.folders.derived / name
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / "part.next"
        pq.write_table(table, aside, compression="zstd")
        aside.replace(folder / "part.parquet")
        state.prove(_names(context))
        return {"dagster/row_count": table.num_rows}

    def publish(self, context: dg.AssetExecutionContext) -> dict[str, Any]:
        """Publish the build database; dagster.Failure where a table of it has not passed its tests."""
        project, state = self._claimed(context)
        if unproven := state.unproven():
            raise dg.Failure(
                f"not published, as not built and tested: {', '.join(unproven)}", allow_retries=False
            )
        began = time.monotonic()
        rows = publish.publish(project.folders)
        context.log.info(f"copied and exported in {time.monotonic() - began:.1f} s")
        return {"rows": rows, "path": dg.MetadataValue.path(project.folders.marts)}

    def _claimed(self, context: dg.AssetExecutionContext) -> tuple[WarehouseProject, BuildState]:
        note_worker(context.instance, context.run)
        project = WarehouseProject(Settings(), self.target)
        builds = BuildState(Folders(project.folders.home).build)  # one at a time, whatever the engine
        runs = context.instance

        def ended(run_id: str) -> bool:
            run = runs.get_run_by_id(run_id)
            return run is None or is_over(run)

        builds.claim(context.run.run_id, ended)
        return project, BuildState(project.folders.build)


def _names(context: dg.AssetExecutionContext) -> list[str]:
    return [".".join(key.path) for key in context.selected_asset_keys]


def _what_failed(invocation: Any) -> str:
    """`dbt: 2 failed: test x (3 rows), model y: message`, from dbt's own record of the command."""
    try:
        results = invocation.get_artifact("run_results.json")["results"]
    except FileNotFoundError:
        return f"dbt could not start: {_one_line(str(invocation.get_error()).rpartition('Errors parsed from dbt logs:')[2])}"
    failed = [result for result in results if result["status"] in beginning.FAILED]
    return f"dbt: {len(failed)} failed: " + "; ".join(_describe(result) for result in failed)


def _describe(result: dict[str, Any]) -> str:
    kind, _, name = result["unique_id"].split(".")[:3]
    return f"{kind} {name}: {_one_line(result['message'] or '')}"


def _one_line(message: str) -> str:
    """Without the SQL that DuckDB quotes below what it says."""
    return " ".join(message.partition("\n  LINE ")[0].split())
