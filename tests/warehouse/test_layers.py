"""Rules of layering, naming and description, over dbt's manifest."""

from __future__ import annotations

import re

import pytest

LAYERS = {
    "staging": ("stg_",),
    "intermediate": ("int_",),
    "core": ("fct_", "dim_", "bridge_", "failure_family_merges"),
    "marts": ("",),
}
SCHEMAS = {"staging": "staging", "intermediate": "staging", "core": "core", "marts": "marts"}
MAY_READ = {
    "staging": {"source"},
    "intermediate": {"staging", "intermediate", "seed"},
    "core": {"staging", "intermediate", "core", "seed"},
    "marts": {"core", "marts", "seed"},
}


@pytest.fixture(scope="module")
def manifest(build):
    return build.manifest()


@pytest.fixture(scope="module")
def models(manifest):
    return {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}


def _layer(node) -> str:
    return node["resource_type"] if node["resource_type"] in ("source", "seed") else node["fqn"][1]


def test_a_model_lies_in_the_folder_and_schema_of_its_layer(models):
    for node in models.values():
        layer = _layer(node)
        assert node["schema"] == SCHEMAS[layer], node["name"]
        assert node["name"].startswith(LAYERS[layer]), node["name"]


def test_a_staging_model_is_named_after_its_one_source_table(manifest, models):
    for node in models.values():
        if _layer(node) == "staging":
            (source,) = [manifest["sources"][key] for key in node["depends_on"]["nodes"]]
            assert node["name"] == f"stg_{source['source_name']}__{source['name']}"
            assert node["fqn"][2] == source["source_name"]


def test_every_source_table_has_a_staging_model(manifest, models):
    read = {key for node in models.values() for key in node["depends_on"]["nodes"]}
    assert set(manifest["sources"]) <= read


def test_layers_read_only_the_layers_below(manifest, models):
    everything = manifest["nodes"] | manifest["sources"]
    for node in models.values():
        for key in node["depends_on"]["nodes"]:
            assert _layer(everything[key]) in MAY_READ[_layer(node)], f"{node['name']} reads {key}"


def test_who_reads_a_table_of_which_only_some_days_are_listed_keeps_the_others(manifest, models):
    """Of a source table `by_day` a build lists the days that it reads: what is no fact by day would forget the rest."""
    children = manifest["child_map"]
    waiting = [key for key, source in manifest["sources"].items() if source["meta"].get("by_day")]
    assert waiting
    while waiting:
        for key in children[waiting.pop()]:
            if key not in models:
                continue
            node = models[key]
            if _layer(node) in ("staging", "intermediate"):
                waiting.append(key)
            else:
                assert node["config"]["materialized"] == "incremental", f"{node['name']} forgets other days"


def test_a_fact_by_day_names_its_day(models):
    for node in models.values():
        if node["config"]["materialized"] == "incremental":
            assert node["config"]["meta"]["day"] in node["columns"], node["name"]


def test_every_model_seed_and_source_states_its_grain_first(manifest, models):
    seeds = [node for node in manifest["nodes"].values() if node["resource_type"] == "seed"]
    for node in (*models.values(), *seeds, *manifest["sources"].values()):
        assert node["description"].startswith("One row per "), node["name"]


def test_every_mart_has_a_unit_test(manifest, models):
    tested = {test["model"] for test in manifest["unit_tests"].values()}
    assert not {node["name"] for node in models.values() if _layer(node) == "marts"} - tested


def test_every_column_is_described(manifest, models, warehouse):
    built = {
        (schema, name): set(columns)
        for schema, name, columns in warehouse.execute(
            "select schema_name, table_name, list(column_name) from duckdb_columns() group by all"
        ).fetchall()
    }
    described = [*models.values(), *(n for n in manifest["nodes"].values() if n["resource_type"] == "seed")]
    described += manifest["sources"].values()
    for node in described:
        undescribed = {name for name, column in node["columns"].items() if not column["description"]}
        assert not undescribed, (node["name"], undescribed)
        assert node["columns"].keys() == built[node["schema"], node["name"]], node["name"]


def test_every_model_has_its_primary_key_tested(manifest, models):
    tested = {
        node["attached_node"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test" and (node.get("test_metadata") or {}).get("name") == "primary_key"
    }
    assert not models.keys() - tested


def test_core_and_marts_hold_to_contracts(models):
    for node in models.values():
        if _layer(node) in ("core", "marts"):
            assert node["contract"]["enforced"], node["name"]
            assert all(column["data_type"] for column in node["columns"].values()), node["name"]


def test_words_of_one_engine_only_stand_in_macros(models):
    """Functions and syntax that DuckDB has and Spark has not, or gives another meaning; grow it when one slips in."""
    words = re.compile(
        r"::|//|\bexclude\b|\blist_|\bstruct_|\barray_to_string\b|\bjson_extract|\bepoch|\bmake_timestamp\b"
        r"|\bgenerate_series\b|\bregexp_matches\b|\bregexp_replace\(|\bstrftime\b|\bdate_diff\b|\bany_value\b"
        r"|\bsha256\b|\blog\(|\bdayofweek\b|\bis_nan\b|\bhash\(",
        re.IGNORECASE,
    )
    for node in models.values():
        plain_sql = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|--[^\n]*", "", node["raw_code"], flags=re.DOTALL)
        assert not words.findall(plain_sql), node["name"]
