"""Every source folder keeps the same rules. Folders are found: a new source is held to them without a line here."""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import dagster as dg
import pyarrow.parquet as pq
import pytest
import yaml

from pipelines.defs.sources import contracts
from pipelines.lib import landing, replaying
from pipelines.lib.contract import REJECTED_SCHEMA, Table
from pipelines.lib.lake_files import schema_file
from pipelines.orchestration.connections import KINDS
from pipelines.orchestration.partitions import DAYS
from tests.conventions import made_up

REPOSITORY = Path(__file__).parents[2]
SOURCES = REPOSITORY / "pipelines/defs/sources"
STAGING = REPOSITORY / "dbt/models/staging"
FOLDERS = sorted(path for path in SOURCES.iterdir() if path.is_dir() and path.name != "__pycache__")
FILES = ("client.py", "contract.py", "assets.py", "doctor.py", "README.md")
IN_THE_README = ("**Rights**: ", "**Limits**: ", "**Cut before anything is written**: ")
CONTRACTS = list(contracts())
TABLES = [(contract, table) for contract in CONTRACTS for table in contract.TABLES]
OWNERS = [pair for contract in CONTRACTS for pair in replaying.owners(contract.TABLES)]

of_each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
of_each_source = pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.SOURCE)
of_each_table = pytest.mark.parametrize(
    ("contract", "table"), TABLES, ids=[f"{table.source}.{table.name}" for _, table in TABLES]
)


@cache
def assets(source: str) -> dict[dg.AssetKey, tuple[dg.AssetsDefinition, dg.AssetSpec]]:
    module = import_module(f"pipelines.defs.sources.{source}.assets")
    loaded = dg.load_assets_from_modules([module])
    return {spec.key: (asset, spec) for asset in loaded for spec in asset.specs}


def documented(kind: str, table: Table) -> dict[str, str]:
    """The columns that dbt's yml describes, of the source table or of its staging model."""
    document = yaml.safe_load((STAGING / table.source / f"_{table.source}__{kind}.yml").read_text())
    if kind == "sources":
        (source,) = [each for each in document["sources"] if each["name"] == table.source]
        (found,) = [each for each in source["tables"] if each["name"] == table.name]
    else:
        name = f"stg_{table.source}__{table.name}"
        (found,) = [each for each in document["models"] if each["name"] == name]
    assert found["description"].startswith("One row per ")
    return {column["name"]: column.get("description", "") for column in found["columns"]}


@of_each_folder
def test_a_folder_holds_what_a_source_needs_and_is_called_as_it(folder: Path) -> None:
    missing = [name for name in FILES if not (folder / name).is_file()]
    assert missing == []
    assert folder.name in {contract.SOURCE for contract in CONTRACTS}
    assert (STAGING / folder.name).is_dir()


@of_each_source
def test_a_source_is_of_a_kind_of_connection_and_owns_its_tables(contract: ModuleType) -> None:
    assert contract.KIND in KINDS
    assert {table.source for table in contract.TABLES} == {contract.SOURCE}
    names = [table.name for table in contract.TABLES]
    assert len(names) == len(set(names))
    for table in contract.TABLES:
        assert {child.name for child in table.children} <= set(names)


@of_each_folder
def test_only_the_assets_know_dagster_and_no_source_knows_another(folder: Path) -> None:
    for file in folder.rglob("*.py"):
        for name in _imports(file):
            assert not name.startswith("simlab"), file
            if name.startswith("pipelines.defs.sources."):
                assert name.split(".")[3] == folder.name, f"{file} imports {name}"
            if file.name != "assets.py":
                assert not re.match(r"dagster|pipelines\.(orchestration|cli|definitions)\b", name), file


@of_each_table
def test_a_table_carries_what_every_table_carries(contract: ModuleType, table: Table) -> None:
    names = table.schema.names
    assert len(names) == len(set(names))
    own = "_missing_since" if table.kind == "window" else "_interval_seconds"
    assert names[-4:] == ["_raw", "_fetched_at", "_issues", own]
    assert not {"connection", "dt"} & set(names)
    assert set(table.key) <= set(names)
    assert table.description.startswith("One row per ")
    assert all(re.fullmatch(r"_?[a-z][a-z0-9_]*", name) for name in names)


@of_each_table
def test_what_is_cut_is_declared_once_per_source(contract: ModuleType, table: Table) -> None:
    assert table.redaction is contract.REDACTION


@of_each_table
def test_dbt_describes_every_column_of_the_lake(contract: ModuleType, table: Table) -> None:
    columns = documented("sources", table)
    assert set(columns) == {"connection", "dt", *table.schema.names}
    assert all(columns.values())


@of_each_table
def test_a_table_has_a_staging_model_of_its_name_that_is_described(
    contract: ModuleType, table: Table
) -> None:
    model = STAGING / table.source / f"stg_{table.source}__{table.name}.sql"
    assert f"source('{table.source}', '{table.name}')" in model.read_text()
    columns = documented("models", table)
    assert {"connection", "dt"} <= set(columns)
    assert all(columns.values())


@of_each_table
def test_an_asset_is_keyed_cut_and_checked_as_its_kind_of_table(contract: ModuleType, table: Table) -> None:
    asset, spec = assets(contract.SOURCE)[dg.AssetKey([table.source, table.name])]
    assert spec.group_name == contract.SOURCE
    assert spec.description == table.description
    cut = spec.partitions_def
    if table.kind == "window":
        assert isinstance(cut, dg.MultiPartitionsDefinition)
        by_connection = cut.get_partitions_def_for_dimension("connection")
        assert cut.get_partitions_def_for_dimension("day") == DAYS
    else:
        by_connection = cut
    assert by_connection == dg.DynamicPartitionsDefinition(name=contract.KIND)
    checks = {check.name for check in asset.check_specs if check.asset_key == spec.key}
    assert {"declared_fields", "records_accepted"} <= checks


@of_each_source
def test_every_asset_is_a_table_and_every_table_an_asset(contract: ModuleType) -> None:
    assert set(assets(contract.SOURCE)) == {dg.AssetKey([t.source, t.name]) for t in contract.TABLES}


@of_each_source
def test_the_doctor_looks_at_every_table_once(contract: ModuleType) -> None:
    doctor = import_module(f"pipelines.defs.sources.{contract.SOURCE}.doctor")
    looked_at = [table.name for probe in doctor.PROBES for table in probe.table.tables]
    assert sorted(looked_at) == sorted(table.name for table in contract.TABLES)


@pytest.mark.parametrize(
    "table",
    [table for table, owner in OWNERS if table is owner],
    ids=lambda table: f"{table.source}.{table.name}",
)
def test_the_same_answer_again_leaves_what_is_there_untouched(table: Table, tmp_path: Path) -> None:
    day = made_up.ASKED_AT.date()

    def land(hour: int) -> landing.Landed:
        answer = made_up.answer(table, hour)
        if table.kind == "window":
            landed = landing.merge(tmp_path, table, "made_up", day, answer)
        else:
            landed = landing.append(tmp_path, table, "made_up", answer, 300)
        return asyncio.run(landed)[table.name]

    first = land(0)
    assert (first.rows, first.rejected) == (1, 0)
    folder = tmp_path / table.source / table.name / "connection=made_up" / f"dt={day}"
    assert Path(first.path).parent == folder
    before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in folder.iterdir()}
    again = land(1)
    assert (again.changed, again.missing) == (0, 0)
    assert again.is_rewritten == (table.kind == "snapshot")
    assert {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in before} == before
    for name, schema in ((table.name, table.schema), (f"{table.name}__rejected", REJECTED_SCHEMA)):
        assert pq.read_schema(schema_file(tmp_path, table.source, name)).equals(schema)


@pytest.mark.parametrize(("table", "owner"), OWNERS, ids=[f"{t.source}.{t.name}" for t, _ in OWNERS])
def test_everything_declared_is_taken_and_a_replay_of_it_changes_nothing(
    table: Table, owner: Table, tmp_path: Path
) -> None:
    day = made_up.ASKED_AT.date()
    answer = made_up.answer(table, is_full=True)
    if table.kind == "window":
        landed = asyncio.run(landing.merge(tmp_path, table, "made_up", day, answer))[table.name]
    else:
        landed = asyncio.run(landing.append(tmp_path, table, "made_up", answer, 300))[table.name]
    assert (landed.rows, landed.rejected) == (1, 0)
    if table.unfold is None:
        assert dict(landed.undeclared) == {}
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.parquet")}
    (partition,) = replaying.partitions_of(tmp_path, table)
    assert not replaying.replay(partition, table, owner).is_rewritten
    after = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.parquet")}
    assert {file: after[file] for file in before} == before


@of_each_source
def test_nothing_of_a_connection_shows_its_secrets(contract: ModuleType) -> None:
    connection = made_up.connection(contract.KIND)
    module = import_module(f"pipelines.defs.sources.{contract.SOURCE}.client")

    async def seen() -> str:
        async with module.client(connection) as source:
            inner = [value for value in vars(source).values() if not isinstance(value, str)]
            deeper = [value for each in inner if hasattr(each, "__dict__") for value in vars(each).values()]
            return repr((connection, source, inner, [v for v in deeper if not isinstance(v, str)]))

    assert made_up.SECRET not in asyncio.run(seen())


@of_each_source
def test_the_readme_names_the_tables_the_rights_the_limits_and_what_is_cut(contract: ModuleType) -> None:
    text = (SOURCES / contract.SOURCE / "README.md").read_text()
    assert text.startswith(f"# {contract.SOURCE}: ")
    assert f"[{contract.KIND}." in text
    for table in contract.TABLES:
        assert f"`{table.name}`" in text
    paragraphs = {start: [p for p in text.split("\n\n") if p.startswith(start)] for start in IN_THE_README}
    assert all(len(found) == 1 for found in paragraphs.values()), paragraphs
    (cut,) = paragraphs[IN_THE_README[2]]
    for name in contract.REDACTION.names:
        assert f"`{name}`" in cut


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
