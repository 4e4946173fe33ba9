"""The page on the warehouse: every model and column of the published build, and nothing from elsewhere."""

from __future__ import annotations

import re
import shutil

import pytest

from pipelines.cli.documenting import write_docs
from pipelines.cli.terminal import CommandError
from pipelines.defs.warehouse.folders import Folders
from pipelines.settings import Settings


def test_without_a_build_it_says_what_to_do(tmp_path):
    with pytest.raises(CommandError, match="flakehouse build"):
        write_docs(Settings(home=tmp_path))


def test_the_page_has_every_model_and_column_and_loads_nothing(build, tmp_path):
    folders = Folders(tmp_path)
    folders.warehouse.mkdir()
    shutil.copyfile(build.database, folders.published)
    page = write_docs(Settings(home=tmp_path, lake=str(build.lake))).read_text()
    for node in build.manifest()["nodes"].values():
        if node["resource_type"] == "model":
            assert f'"name": "{node["name"]}"' in page
            assert all(f'"{column}"' in page for column in node["columns"])
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=[\"']?https?:", page)
    assert '"send_anonymous_usage_stats": false' in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["docs", "warehouse"]
