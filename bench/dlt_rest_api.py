"""dlt with its `rest_api` source and Parquet files, with the settings that were fastest here.

`max_table_nesting=1` gives the tables that this pipeline has: lists of a record become tables, deeper ones stay JSON.
It redacts nothing, keeps no vendor's bytes, flags nothing, and appends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import dlt
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.rest_api import rest_api_source

from bench import measuring
from bench.page_server import EXPORT
from bench.pages import window

NESTING = 1
_IN_FLIGHT = 16


def executions(url: str, folder: Path, _count: int) -> int:
    """Loads the day; the number of test executions that the files then hold."""
    start, end = (round(moment.timestamp() * 1000) for moment in window())
    source = rest_api_source(
        {
            "client": {
                "base_url": url,
                "headers": {"Perfecto-Authorization": "of-the-bench"},
                "paginator": {
                    "type": "page_number",
                    "base_page": 1,
                    "page_param": "_page",
                    "total_path": None,
                    "has_more_path": "metadata.truncated",
                },
            },
            "resources": [
                {
                    "name": "test_executions",
                    "endpoint": {
                        "path": EXPORT,
                        "params": {"startExecutionTime[0]": start, "endExecutionTime[0]": end - 1},
                        "data_selector": "resources",
                    },
                }
            ],
        },
        max_table_nesting=NESTING,
    )
    _load(source, folder)
    return measuring.distinct(folder / "files" / "lab" / "test_executions", "id")


def commands(url: str, folder: Path, ids: Sequence[str]) -> int:
    """Loads the commands of these tests; the number of tests whose steps the files then hold."""
    # The declared form of this, a resource with a parent, asks one after the other.
    asked = RESTClient(url, headers={"Perfecto-Authorization": "of-the-bench"})

    @dlt.resource
    def tests() -> Iterator[list[str]]:
        yield list(ids)

    @dlt.transformer(data_from=tests)
    def steps(listed: list[str]) -> Iterator[object]:
        @dlt.defer
        def of_test(test: str) -> list[dict[str, object]]:
            return asked.get(f"{EXPORT}/{test}/commands").json()["resources"]

        for test in listed:
            yield of_test(test)

    @dlt.source(max_table_nesting=NESTING)
    def export() -> object:
        return steps

    _load(export(), folder)
    return measuring.distinct(folder / "files" / "lab" / "steps", "test_execution_id")


def _load(source: object, folder: Path) -> None:
    os.environ.update(
        RUNTIME__DLTHUB_TELEMETRY="false",
        DLT_DATA_DIR=str(folder / "home"),
        EXTRACT__WORKERS=str(_IN_FLIGHT),
        EXTRACT__MAX_PARALLEL_ITEMS=str(2 * _IN_FLIGHT),
        RUNTIME__LOG_LEVEL="ERROR",
    )
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(folder / "state"),
        destination=dlt.destinations.filesystem(bucket_url=str(folder / "files")),
        dataset_name="lab",
    )
    pipeline.run(source, loader_file_format="parquet")
