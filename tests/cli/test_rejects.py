"""Too many rejected records fail the partition: the command names it and exits 1, and keeps what landed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_bad_input import flakehouse
from tests.lib.landing_of import DAY, rows, test
from tests.lib.scripted_server import Reply, serving


@pytest.mark.parametrize(("refused", "code"), [(2, 1), (0, 0)])
def test_an_ingest_of_a_day_with_too_many_rejects_ends_with_1_and_keeps_the_others(
    tmp_path: Path, refused: int, code: int
) -> None:
    records = [
        *[test(str(number)) for number in range(8)],
        *[test(f"odd {n}", name=n) for n in range(refused)],
    ]
    body = json.dumps({"resources": records, "metadata": {"truncated": False}}).encode()
    connections = tmp_path / "connections.toml"
    with serving(Reply(body=body)) as server:
        connections.write_text(f'[perfecto.acme]\napp_url = "{server.url}"\ntoken = "t"\ncommands = "none"\n')
        said = flakehouse("ingest", "--start", str(DAY), "--end", str(DAY), home=tmp_path / "home",
                          connections=connections)  # fmt: skip
    assert said.code == code, said
    assert len(rows(tmp_path / "home" / "raw", "test_executions")) == 8
    if refused:
        assert said.line.startswith(
            f"failed: perfecto_reporting acme {DAY}: perfecto_reporting.test_executions: 2 of 10 records rejected"
        )
