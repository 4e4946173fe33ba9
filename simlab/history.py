"""A recorded CI history, one CSV file, replayed as a Perfecto cloud.

Columns `test,build,device,started_at,duration_seconds,verdict,message`; times are ISO 8601 UTC. Nothing is
made up: no device state but "connected", no commands, no reservations, no oddities. What a day holds is built when
it is asked for; only the file's own columns are kept.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from simlab.clock import SECOND, day_of, start_of
from simlab.lab_error import LabError
from simlab.world.model import (
    Device,
    EnterpriseTesterWorld,
    HclWorld,
    PerfectoWorld,
    Reservation,
    Step,
    TestRun,
)

COLUMNS = ("test", "build", "device", "started_at", "duration_seconds", "verdict", "message")
STATUSES = {"pass": "PASSED", "fail": "FAILED", "error": "BLOCKED"}
LEFT_OUT = "skip"
WHOLE_NUMBER = re.compile(r"0|-?[1-9]\d*")


class HistoryError(LabError):
    """A history file that cannot be replayed; the text names the file and the row."""


class HistoryWorld:
    """One file as a PerfectoWorld; its connection and its job are the file's stem."""

    def __init__(self, path: Path) -> None:
        self.connection = path.name.partition(".")[0]
        table = _read(path)
        verdicts = np.array(table["verdict"].to_pylist(), dtype=object)
        unknown = next(
            (verdict for verdict in set(verdicts) if verdict not in STATUSES | {LEFT_OUT: ""}), None
        )
        if unknown is not None:
            row = int(np.flatnonzero(verdicts == unknown)[0])
            raise HistoryError(
                f"{path}, row {row + 1}: verdict {unknown!r} is none of pass, fail, error, skip"
            )
        kept = np.flatnonzero(verdicts != LEFT_OUT)
        self.skipped = len(verdicts) - len(kept)
        if not len(kept):
            raise HistoryError(f"{path}: no row to replay")
        starts = _starts(path, table["started_at"])
        by_start = kept[np.argsort(starts[kept], kind="stable")]
        self._rows = by_start
        self._starts = starts[by_start]
        self._table = table
        self._durations = _durations(path, table["duration_seconds"])
        self._build_numbers = _build_numbers(table["build"].to_pylist(), by_start)

    def __len__(self) -> int:
        return len(self._rows)

    def first_day(self) -> date:
        """The UTC day of the first start."""
        return day_of(int(self._starts[0]))

    def last_day(self) -> date:
        """The UTC day of the last start."""
        return day_of(int(self._starts[-1]))

    def test_runs(self, day: date) -> Sequence[TestRun]:
        """The day's runs, by start."""
        low = bisect_left(self._starts, start_of(day))
        high = bisect_left(self._starts, start_of(date.fromordinal(day.toordinal() + 1)))
        return self._runs(low, high)

    def test_run(self, test_run_id: str) -> TestRun | None:
        """The run with that id."""
        if not re.fullmatch(r"[0-9a-f]{24}", test_run_id):
            return None
        prefixes, positions = self._positions
        found = bisect_left(prefixes, int(test_run_id[:16], 16))
        while found < len(prefixes) and int(prefixes[found]) == int(test_run_id[:16], 16):
            position = int(positions[found])
            run = self._runs(position, position + 1)[0]
            if run.id == test_run_id:
                return run
            found += 1
        return None

    def steps(self, run: TestRun) -> Sequence[Step]:  # noqa: ARG002
        """None: a history records no commands."""
        return ()

    @cached_property
    def _devices(self) -> dict[str, Device]:
        return {name: _device(name) for name in sorted(set(self._table["device"].to_pylist())) if name}

    def devices(self, at: int | None = None) -> Sequence[Device]:  # noqa: ARG002
        """Every device the file names."""
        return tuple(self._devices.values())

    def device_state(self, device_id: str, at: int) -> str:  # noqa: ARG002
        """CONNECTED, as a history records nothing else."""
        return "CONNECTED"

    def reservations(self, start: int, end: int) -> Sequence[Reservation]:  # noqa: ARG002
        """None."""
        return ()

    @cached_property
    def _positions(self) -> tuple[np.ndarray, np.ndarray]:
        """The first 16 digits of all ids as numbers, sorted, and the position of each run."""
        tests, builds = self._table["test"].to_pylist(), self._table["build"].to_pylist()
        prefixes = np.array(
            [int(self._id(row, tests[row], builds[row])[:16], 16) for row in self._rows.tolist()],
            dtype=np.uint64,
        )
        positions = np.argsort(prefixes, kind="stable")
        return prefixes[positions], positions

    def _id(self, row: int, test: str, build: str) -> str:
        key = "\x1f".join((self.connection, str(row), test, build))
        return hashlib.sha256(key.encode()).hexdigest()[:24]

    def _runs(self, low: int, high: int) -> list[TestRun]:
        rows = self._rows[low:high]
        records = self._table.take(pa.array(rows)).to_pylist()
        return [
            self._run(row, start, record)
            for row, start, record in zip(
                rows.tolist(), self._starts[low:high].tolist(), records, strict=True
            )
        ]

    def _run(self, row: int, start: int, record: dict[str, str]) -> TestRun:
        build, device = record["build"], record["device"]
        end = (
            start + round(float(record["duration_seconds"]) * SECOND) if record["duration_seconds"] else None
        )
        number = self._build_numbers.get(build)
        owner = f"ci@{self.connection}.example"
        return TestRun(
            id=self._id(row, record["test"], build),
            external_id=f"{owner}_RemoteWebDriver_{build}",
            name=record["test"],
            owner=owner,
            started_at=start,
            ended_at=end,
            status=STATUSES[record["verdict"]],
            devices=(self._devices[device],) if device else (),
            visible_at=max(start, end or start),
            job_name=self.connection,
            job_number=number,
            message=record["message"] or None,
            custom_fields=(("build", build),) if build and not WHOLE_NUMBER.fullmatch(build) else (),
            trigger_type="CI/CD",
        )


class HistoryLab:
    """A World that is only recorded histories: one Perfecto cloud per file, and no truth beyond the files."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._histories = [HistoryWorld(path) for path in paths]
        names = [history.connection for history in self._histories]
        for name in names:
            if names.count(name) > 1:
                raise HistoryError(
                    f"two history files are named {name!r}; each becomes a connection of that name"
                )
        self.perfecto: Sequence[PerfectoWorld] = self._histories
        self.hcl: Sequence[HclWorld] = ()
        self.enterprise_tester: Sequence[EnterpriseTesterWorld] = ()

    def parameters(self) -> dict[str, object]:
        """Per file: runs, rows left out as skipped, and its days."""
        return {
            history.connection: f"{len(history)} runs, {history.skipped} skipped rows left out,"
            f" {history.first_day()} to {history.last_day()}"
            for history in self._histories
        }

    def write_truth(self, folder: str) -> None:
        """Refused: nobody knows a recorded history's truth."""
        raise HistoryError(f"nothing to write to {folder}: the truth of a recorded history is not known")


def _read(path: Path) -> pa.Table:
    try:
        table = pa.csv.read_csv(
            path,
            parse_options=pa.csv.ParseOptions(newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(COLUMNS, pa.string()), strings_can_be_null=False
            ),
        )
    except FileNotFoundError as error:
        raise HistoryError(f"{path}: there is no such file") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise HistoryError(f"{path}: cannot be read as CSV: {error}") from error
    missing = [column for column in COLUMNS if column not in table.column_names]
    if missing:
        raise HistoryError(f"{path}: no column {', '.join(missing)}; a history has {','.join(COLUMNS)}")
    return table.select(list(COLUMNS))


def _starts(path: Path, column: pa.ChunkedArray) -> np.ndarray:
    starts = np.empty(len(column), dtype=np.int64)
    for row, text in enumerate(column.to_pylist()):
        try:
            start = datetime.fromisoformat(text)
        except ValueError as error:
            raise HistoryError(
                f"{path}, row {row + 1}: started_at {text!r} is not an ISO 8601 time"
            ) from error
        if start.tzinfo is None:
            start = start.replace(tzinfo=UTC)
        starts[row] = round(start.timestamp() * SECOND)
    return starts


def _durations(path: Path, column: pa.ChunkedArray) -> np.ndarray:
    """Seconds; NaN where the file has none."""
    try:
        seconds = pc.if_else(pc.equal(column, ""), None, column).cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise HistoryError(f"{path}: a duration_seconds is not a number: {error}") from error
    return seconds.to_numpy(zero_copy_only=False)


def _build_numbers(builds: list[str], by_start: np.ndarray) -> dict[str, int]:
    """A build's number: itself, or its rank by first start, moved up where a build of the file has that number."""
    in_order = dict.fromkeys(builds[row] for row in by_start.tolist())
    in_order.pop("", None)
    numbers = {build: int(build) for build in in_order if WHOLE_NUMBER.fullmatch(build)}
    taken = set(numbers.values())
    for rank, build in enumerate(in_order, 1):
        if build in numbers:
            continue
        number = rank
        while number in taken:
            number += 1
        taken.add(number)
        numbers[build] = number
    return numbers


def _device(name: str) -> Device:
    return Device(
        device_id=name,
        device_type="MOBILE",
        manufacturer="",
        model=name,
        os="",
        os_version="",
        resolution="",
        location="",
        description="",
        firmware="",
        operator="",
        operator_country="",
        imei="",
        imsi="",
        phone_number="",
        wifi_mac_address="",
    )
