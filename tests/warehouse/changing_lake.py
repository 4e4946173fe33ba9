"""A small lake that changes as real ones do: days are added, rows come late, reasons change, runs move, days vanish."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .lake_writer import write_rows, write_schema_files

Row = dict[str, Any]
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
MESSAGES = [
    None,
    "Element 'Sign in' was not found after 30 s",
    "Element 'Sign in' was not found after 45 s",
    "java.lang.AssertionError: expected total 12 but was 13",
    "java.lang.AssertionError: expected total 14 but was 15",
    "Could not reach https://shop.example.com/cart within 10000 ms",
    "Device lost its connection to the cradle",
]
REASONS = [None, "Element not found", "Device not found", "Device in use", "Our own"]


class ChangingLake:
    """Three connections of two vendors: test runs with platforms and commands, script runs with steps, device lists."""

    def __init__(self, folder: Path, seed: int, days: int) -> None:
        self.folder = folder
        self._draw = random.Random(seed)
        self._held: dict[tuple[str, str, str, int], list[Row]] = {}
        self._count = 0
        self._now = FIRST + timedelta(days=days)
        self._days = 0
        write_schema_files(folder)
        self._assign(["Pay", "Refund"])
        for _ in range(days):
            self.add_a_day()

    @property
    def changes(self) -> list[Callable[[], None]]:
        return [
            self.add_a_day,
            self.add_late_rows,
            self.change_a_reason,
            self.finish_a_build_late,
            self.move_a_run,
            self.replace_a_day,
            self.lose_a_day,
            self.rename_an_assignment,
            self.look_at_the_devices,
        ]

    def add_a_day(self) -> None:
        self._days += 1
        day = self._days - 1
        for connection in ("acme", "12"):
            self._add_runs(connection, day, self._draw.randint(8, 14))
        self._add_script_runs(day)
        self.look_at_the_devices(day)

    def add_late_rows(self) -> None:
        self._add_runs("acme", self._some_day(), self._draw.randint(1, 3))

    def change_a_reason(self) -> None:
        rows = self._rows("test_executions", "acme", self._some_day())
        for row in self._draw.sample(rows, min(2, len(rows))):
            row |= {
                "status": "FAILED",
                "failure_reason_name": self._draw.choice(REASONS),
                "message": self._draw.choice(MESSAGES),
                "_fetched_at": self._later(),
            }
        self._write()

    def finish_a_build_late(self) -> None:
        """A build of one day goes on, or ends otherwise, on another."""
        first = self._some_day()
        for row in self._draw.sample(self._rows("test_executions", "acme", first), 1):
            self._add_runs(
                "acme", self._some_day(), 1, **{name: row[name] for name in ("name", "job_number")}
            )

    def move_a_run(self) -> None:
        """Its start was corrected: the day where it was keeps what it said."""
        before, after = self._some_day(), self._some_day()
        if before == after or not (rows := self._rows("test_executions", "acme", before)):
            return
        row = self._draw.choice(rows)
        start = self._moment(after)
        moved = {
            **row,
            "start_time": start,
            "end_time": start + timedelta(minutes=2),
            "_fetched_at": self._later(),
        }
        self._put("test_executions", "acme", after, [moved], key=("id",))
        self._put(
            "platforms",
            "acme",
            after,
            [self._platform(row["id"])],
            key=("test_execution_id", "platform_index"),
        )

    def replace_a_day(self) -> None:
        day = self._some_day()
        for table in ("test_executions", "platforms", "commands"):
            self._held["perfecto_reporting", table, "12", day] = []
        self._add_runs("12", day, self._draw.randint(2, 5))

    def lose_a_day(self) -> None:
        """Somebody deletes a partition."""
        day = self._some_day()
        for table in ("test_executions", "platforms", "commands"):
            self._held.pop(("perfecto_reporting", table, "12", day), None)
            (self._folder("perfecto_reporting", table, "12", day) / "data.parquet").unlink(missing_ok=True)

    def rename_an_assignment(self) -> None:
        self._assign(
            [self._draw.choice(["Pay", "Pay by card"]), self._draw.choice(["Refund", "Refund twice"])]
        )

    def look_at_the_devices(self, day: int | None = None) -> None:
        """A few rounds of the device list, some of which find a device in error."""
        at = self._moment(self._days - 1 if day is None else day)
        for number in range(4):
            observed = at + timedelta(minutes=5 * number)
            rows = [
                {
                    "device_id": device,
                    "model": f"Model {device}",
                    "os": "ANDROID",
                    "os_version": self._draw.choice(["14", "15"]),
                    "location": "US-BOS",
                    "status": self._draw.choice(["Connected", "Connected", "Error"]),
                    "mode": "CONNECTED",
                    "_fetched_at": observed,
                    "_interval_seconds": 300,
                }
                for device in "abc"
            ]
            key = ("perfecto_lab", "devices", "acme", (observed - FIRST).days)
            self._held.setdefault(key, []).extend(rows)
        self._write()

    def _add_runs(self, connection: str, day: int, count: int, **columns: Any) -> None:
        executions, platforms, commands = [], [], []
        for _ in range(count):
            run = self._next("run")
            start = self._moment(day)
            length = timedelta(seconds=int(20 * 5000 ** (self._draw.random() ** 4)))
            failed = self._draw.random() < 0.35
            job = self._draw.choice([None, "nightly"])
            executions.append(
                {
                    "id": run,
                    "name": self._draw.choice(["Login", "Search", "Buy", "Interactive session"]),
                    "owner": self._draw.choice(["ann", "bea"]),
                    "project_name": "Shop",
                    "start_time": start,
                    "end_time": self._draw.choice([start + length, start + length, start + length, None]),
                    "status": self._draw.choice(["FAILED", "FAILED", "BLOCKED"]) if failed else "PASSED",
                    "message": self._draw.choice(MESSAGES) if failed else None,
                    "failure_reason_name": self._draw.choice(REASONS) if failed else None,
                    "job_name": job,
                    "job_number": day // 2 if job else None,
                    "job_branch": "main" if job else None,
                    "tags": self._draw.choice([None, ["smoke"], ["smoke", "slow"]]),
                    "_fetched_at": self._later(),
                    **columns,
                }
            )
            platforms.append(self._platform(run))
            if failed:
                commands.append(
                    {
                        "test_execution_id": run,
                        "step_index": 0,
                        "command_index": 0,
                        "name": "Find element",
                        "status": "FAILURE",
                        "message": self._draw.choice(MESSAGES),
                        "start_time": start + length,
                        "end_time": start + length,
                        "_fetched_at": self._later(),
                    }
                )
        self._put("test_executions", connection, day, executions, key=("id",))
        self._put("platforms", connection, day, platforms, key=("test_execution_id", "platform_index"))
        self._put(
            "commands", connection, day, commands, key=("test_execution_id", "step_index", "command_index")
        )

    def _platform(self, run: str) -> Row:
        return {
            "test_execution_id": run,
            "platform_index": 0,
            "device_id": self._draw.choice("ABC"),
            "device_type": "MOBILE",
            "os": "ANDROID",
            "os_version": self._draw.choice([None, "14", "15"]),
            "location": "US-BOS",
            "_fetched_at": self._later(),
        }

    def _add_script_runs(self, day: int) -> None:
        for assignment in (1, 2, 3):
            run = self._next("script-run")
            status = self._draw.choice(["Passed", "Failed"])
            row = {
                "id": run,
                "assignment_id": f"a{assignment}",
                "script_id": f"s{assignment}",
                "created_at": self._moment(day),
                "last_updated_at": self._later(),
                "status": status,
                "actual_duration": "5 minutes",
                "_project_id": "p1",
                "_project_name": "Web shop",
                "_fetched_at": self._later(),
            }
            step = {
                "run_id": run,
                "id": f"{run}-step",
                "step_index": 0,
                "outcome": status,
                "actual_result": self._draw.choice(MESSAGES),
                "_fetched_at": self._later(),
            }
            self._held.setdefault(("enterprise_tester", "script_runs", "et", day), []).append(row)
            self._held.setdefault(("enterprise_tester", "step_results", "et", day), []).append(step)
        self._write()

    def _assign(self, names: list[str]) -> None:
        rows = [
            {
                "id": f"a{number}",
                "script_id": f"s{number}",
                "name": name,
                "package_name": "Release",
                "_project_id": "p1",
                "_project_name": "Web shop",
                "_fetched_at": self._later(),
                "_interval_seconds": 300,
            }
            for number, name in enumerate(names, start=1)
        ]
        key = ("enterprise_tester", "script_assignments", "et", max(self._days - 1, 0))
        self._held.setdefault(key, []).extend(rows)
        self._write()

    def _put(self, table: str, connection: str, day: int, rows: list[Row], key: tuple[str, ...]) -> None:
        held = {tuple(row[name] for name in key): row for row in self._rows(table, connection, day)}
        held |= {tuple(row[name] for name in key): row for row in rows}
        self._held["perfecto_reporting", table, connection, day] = list(held.values())
        self._write()

    def _write(self) -> None:
        """Partitions whose rows are others than what was written last."""
        for (source, table, connection, day), rows in self._held.items():
            mark = self._folder(source, table, connection, day) / ".content"
            if not mark.exists() or mark.read_text() != repr(rows):
                date = (FIRST + timedelta(days=day)).date().isoformat()
                write_rows(self.folder, source, table, connection, date, rows)
                mark.write_text(repr(rows))

    def _rows(self, table: str, connection: str, day: int) -> list[Row]:
        return self._held.get(("perfecto_reporting", table, connection, day), [])

    def _folder(self, source: str, table: str, connection: str, day: int) -> Path:
        date = (FIRST + timedelta(days=day)).date().isoformat()
        return self.folder / source / table / f"connection={connection}" / f"dt={date}"

    def _some_day(self) -> int:
        return self._draw.randrange(self._days)

    def _moment(self, day: int) -> datetime:
        """Often near midnight, where days meet."""
        minute = self._draw.choice(
            [self._draw.randrange(1440), self._draw.randrange(8), 1439 - self._draw.randrange(8)]
        )
        return FIRST + timedelta(days=day, minutes=minute, seconds=self._draw.randrange(60))

    def _later(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now

    def _next(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count}"
