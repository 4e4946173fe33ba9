"""What tests of orchestration share: an instance that is gone afterwards, and a home that the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.orchestration.found import UI


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLAKEHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("FLAKEHOUSE_CONNECTIONS", str(tmp_path / "connections.toml"))
    monkeypatch.setenv("FLAKEHOUSE_UI_URL", UI)
    return tmp_path
