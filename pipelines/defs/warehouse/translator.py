"""dbt's names as Dagster's: a model is `[schema, model]`, a source table is the raw asset of the same name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator

FAILURE_FAMILIES = dg.AssetKey(["core", "failure_families"])
TEST_SEGMENTS = dg.AssetKey(["core", "test_segments"])

# Tables that a Python asset writes between two groups of models: dbt knows them as sources.
DERIVED = {"failure_families": FAILURE_FAMILIES, "test_segments": TEST_SEGMENTS}


class Translator(DagsterDbtTranslator):
    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "source":
            if dbt_resource_props["source_name"] == "derived":
                return DERIVED[dbt_resource_props["name"]]
            return dg.AssetKey([dbt_resource_props["source_name"], dbt_resource_props["name"]])
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The layer. What is derived from core for core is drawn there, so that the graph reads from left to right."""
        return "core" if "derived" in dbt_resource_props["fqn"] else dbt_resource_props["schema"]
