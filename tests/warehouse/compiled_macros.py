"""SQL of dbt macros, so that tests can run them on rows of their own, outside any model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa

DBT_PROJECT = Path(__file__).parents[2] / "dbt"

_CLUSTERED = "('n_groups', 'runs', 'failures', 'squares', 'between_groups', 'within_groups')"
EXPRESSIONS = {
    "wilson_low": "{{ wilson_low('share', 'runs') }}",
    "wilson_high": "{{ wilson_high('share', 'runs') }}",
    "entropy_bits": "{{ entropy_bits('share') }}",
    "min_detectable_rate": "{{ min_detectable_rate('runs') }}",
    "clean_runs_to_clear": "{{ clean_runs_to_clear('rate') }}",
    "is_solidly_failing": "{{ is_solidly_failing('attempts', 'failures', 'other_attempts', 'other_failures') }}",
    "correlation": "{{ intra_class_correlation" + _CLUSTERED + " }}",
    "design_effect": "{{ design_effect" + _CLUSTERED + " }}",
    "fisher_tails": "{{ fisher_tails('cases') }}",
    "ln_binomial_step": "{{ ln_binomial_step('trials', 'chance', 'successes') }}",
    "normal_upper_tail": "{{ normal_upper_tail('z') }}",
    "normal_of_student": "{{ normal_of_student('t', 'degrees_of_freedom') }}",
    "marked_frames": "{{ marked_frames('message') }}",
    "masked_message": "{{ masked_message('marked') }}",
    "masked_frames": "{{ masked_frames('marked') }}",
    "failure_template": "{{ failure_template('masked_message', 'masked_frames') }}",
    "failure_id": "{{ failure_id('template', 'version') }}",
}
_MARK = "-- name: "


@cache
def macros() -> dict[str, str]:
    """The SQL that dbt makes of `EXPRESSIONS`, by name, in one run of dbt for all tests of a process."""
    inline = "\n".join(f"{_MARK}{name}\n{jinja}" for name, jinja in EXPRESSIONS.items())
    with TemporaryDirectory() as folder:
        command = [
            *(str(Path(sys.executable).with_name("dbt")), "--quiet", "compile", "--inline", inline),
            *("--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)),
            *("--target-path", f"{folder}/target", "--log-path", f"{folder}/logs", "--output", "json"),
        ]
        environment = os.environ | {"FLAKEHOUSE_BUILD_DB": f"{folder}/flakehouse.duckdb"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"dbt compile failed\n{done.stdout}\n{done.stderr}")
    parts = json.loads(done.stdout)["compiled"].split(_MARK)[1:]
    return {name.strip(): sql.strip() for name, _, sql in (part.partition("\n") for part in parts)}


def templates(messages: list[str]) -> list[str]:
    """The template of each message, by the same steps as core.fct_failure_messages."""
    sql = macros()
    steps = f"""
        select {sql["failure_template"]} from (
            select row_number, {sql["masked_message"]} as masked_message, {sql["masked_frames"]} as masked_frames from (
                select row_number, {sql["marked_frames"]} as marked from numbered))
        order by row_number
    """
    with duckdb.connect() as connection:
        connection.register("numbered", pa.table({"row_number": range(len(messages)), "message": messages}))
        return [template for (template,) in connection.execute(steps).fetchall()]


def evaluate(expression: str, rows: pa.Table) -> list[object]:
    """The expression's value for each row, in the rows' order."""
    with duckdb.connect() as connection:
        numbered = rows.append_column("row_number", pa.array(range(rows.num_rows)))
        connection.register("numbered", numbered)
        answers = connection.execute(f"select {expression} from numbered order by row_number").fetchall()
    return [answer for (answer,) in answers]
