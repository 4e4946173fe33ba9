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
    """Connections of all vendors: test runs with platforms and commands, script runs with steps, devices with their
    reservations, server executions and agents; and the landings of each day."""

    def __init__(self, folder: Path, seed: int, days: int) -> None:
        self.folder = folder
        self._draw = random.Random(seed)
        self._held: dict[tuple[str, str, str, int], list[Row]] = {}
        self._count = 0
        self._now = FIRST
        self._days = 0
        self._reservations: list[Row] = []
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
            self.lose_a_days_snapshots,
            self.give_up_a_reservation,
            self.give_up_all_reservations,
            self.end_a_server_execution_late,
        ]

    def add_a_day(self) -> None:
        self._days += 1
        day = self._days - 1
        self._now = max(self._now, FIRST + timedelta(days=day, hours=12))
        for connection in ("acme", "12"):
            self._add_runs(connection, day, self._draw.randint(8, 14))
        self._add_script_runs(day)
        self._add_server_executions(day)
        self._reserve(day)
        self.look_at_the_devices(day)
        self._add_landings(day)

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
        """A few rounds of what has no past: devices, of which some are away or in error, reservations, agents."""
        at = self._moment(self._days - 1 if day is None else day)
        listed = self._draw.sample("abcd", 3)
        for number in range(4):
            observed = at + timedelta(minutes=5 * number)
            seen = {"_fetched_at": observed, "_interval_seconds": self._draw.choice([300, 300, 36000])}
            date = (observed - FIRST).days
            rows = [
                {
                    "device_id": device,
                    "model": f"Model {device}",
                    "os": "ANDROID",
                    "os_version": self._draw.choice(["14", "15"]),
                    "location": "US-BOS",
                    "status": self._draw.choice(["Connected", "Connected", "Error"]),
                    "mode": self._draw.choice(["CONNECTED", None]),
                    **seen,
                }
                for device in listed
            ]
            self._held.setdefault(("perfecto_lab", "devices", "acme", date), []).extend(rows)
            reserved = [
                {**row, **seen}
                for row in self._reservations
                if observed - row["end_time_millis"] < timedelta(days=1)
                and row["start_time_millis"] - observed < timedelta(days=3)
            ]
            if reserved:
                self._held.setdefault(("perfecto_lab", "reservations", "acme", date), []).extend(reserved)
            else:
                self._add_empty_round(observed)
            agents = [
                {"id": agent, "state": self._draw.choice(["AVAILABLE", "BUSY", "LOST"]), **seen}
                for agent in (1, 2)
            ]
            self._held.setdefault(("hcl_test_server", "agents", "ots", date), []).extend(agents)
        self._write()

    def lose_a_days_snapshots(self) -> None:
        day = self._some_day()
        for table in ("devices", "reservations"):
            self._held.pop(("perfecto_lab", table, "acme", day), None)
            folder = self._folder("perfecto_lab", table, "acme", day)
            for name in ("data.parquet", ".content"):
                (folder / name).unlink(missing_ok=True)

    def give_up_a_reservation(self) -> None:
        """Or make it another: the next rounds show it."""
        if not self._reservations:
            self._reserve(self._days - 1)
        row = self._reservations.pop(self._draw.randrange(len(self._reservations)))
        if self._draw.random() < 0.5:
            longer = timedelta(hours=self._draw.randint(-20, 20))
            self._reservations.append({**row, "end_time_millis": row["end_time_millis"] + longer})
        self.look_at_the_devices()

    def give_up_all_reservations(self) -> None:
        """A round that lists nothing leaves no row, only that of its landing."""
        self._reservations.clear()
        self.look_at_the_devices()

    def end_a_server_execution_late(self) -> None:
        """Its completion is known later, on another day: the day where it was keeps what it said."""
        day = self._some_day()
        rows = self._rows_of("hcl_test_server", "executions", "ots", day)
        if not rows:
            return
        ended = self._moment(self._days - 1)
        row = {**self._draw.choice(rows), "completion_date": ended, "_fetched_at": self._later()}
        self._held.setdefault(("hcl_test_server", "executions", "ots", self._days - 1), []).append(row)
        self._write()

    def _reserve(self, day: int) -> None:
        for _ in range(2):
            start = self._moment(day) + timedelta(hours=self._draw.randint(-10, 60))
            self._reservations.append(
                {
                    "id": self._next("reservation"),
                    "resource_id": self._draw.choice("ABC"),
                    "start_time_millis": start,
                    "end_time_millis": start + timedelta(hours=self._draw.randint(1, 50)),
                }
            )

    def _add_server_executions(self, day: int) -> None:
        for _ in range(4):
            start = self._moment(day)
            row = {
                "id": self._next("execution"),
                "_project_id": "1",
                "status": self._draw.choice(["COMPLETE", "INCOMPLETE"]),
                "start_date": start,
                "completion_date": self._draw.choice([None, start + timedelta(minutes=2)]),
                "_fetched_at": self._later(),
            }
            self._held.setdefault(("hcl_test_server", "executions", "ots", day), []).append(row)

    def _add_empty_round(self, observed: datetime) -> None:
        row = {
            "source_name": "perfecto_lab",
            "table_name": "reservations",
            "table_kind": "snapshot",
            "started_at": observed - timedelta(seconds=1),
            "run_id": self._next("landing"),
            "seconds": 1.0,
            "rows": 0,
            "rejected": 0,
            "is_complete": self._draw.random() < 0.8,
            "_fetched_at": observed,
        }
        day = (observed - FIRST).days
        self._held.setdefault(("flakehouse", "ingest_partitions", "acme", day), []).append(row)

    def _add_landings(self, day: int) -> None:
        for table in ("test_executions", "platforms"):
            ended = FIRST + timedelta(days=day, hours=self._draw.randint(10, 20))
            row = {
                "source_name": "perfecto_reporting",
                "table_name": table,
                "table_kind": "window",
                "started_at": ended - timedelta(minutes=1),
                "day": (FIRST + timedelta(days=day)).date().isoformat(),
                "run_id": self._next("landing"),
                "seconds": 60.0,
                "rows": 7,
                "rejected": 0,
                "is_complete": self._draw.random() < 0.8,
                "_fetched_at": ended,
            }
            self._held.setdefault(("flakehouse", "ingest_partitions", "acme", day), []).append(row)
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
            "device_id": self._draw.choice("AAABBBCCCE"),
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
        return self._rows_of("perfecto_reporting", table, connection, day)

    def _rows_of(self, source: str, table: str, connection: str, day: int) -> list[Row]:
        return self._held.get((source, table, connection, day), [])

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
