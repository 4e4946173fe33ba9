"""Script executions, as `/services/executions` lists them: one per driver session, the newest 500 completed ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from simlab.api.answers import draw
from simlab.api.perfecto_cloud import LONGEST_RUN_DAYS, PerfectoCloud
from simlab.api.perfecto_handsets import listed_id
from simlab.api.perfecto_service_answers import ServiceError
from simlab.clock import DAY, SECOND, day_of
from simlab.world.model import TestRun

EXECUTION_PARAMETERS = frozenset(
    ("time.anchor", "time.offset", "time.type", "completed", "flowEndCode", "scriptKey")
)
MOST_COMPLETED = 500
FLOW_END_CODES = {"PASSED": "Success", "FAILED": "Failed", "BLOCKED": "Failed", "UNKNOWN": "Unknown"}
Record = dict[str, object]


class ScriptExecutions:
    """List, and the status of one, which is known only during the run and the next two days."""

    def __init__(self, cloud: PerfectoCloud) -> None:
        self._cloud = cloud

    def list(self, user: str, parameters: Mapping[str, str], now: int) -> dict[str, object]:
        """Executions of a time window. The key is absent when nothing matches.

        `time.anchor` counts milliseconds (-1: now), `time.offset` seconds, before the anchor when it is negative
        or stands alone. Raises ServiceError without either, or without the right to see everyone's.
        """
        start, end = _window(parameters, now)
        is_admin = user == self._cloud.admin_user
        if parameters.get("admin") == "true" and not is_admin:
            raise ServiceError(f"User {user} is not authorized to get all script executions", 401)
        compares_end = parameters.get("time.type", "started") == "completed"
        found = []
        for runs in self._sessions(start, min(end, now)).values():
            record = _record(runs, now)
            at = max(run.ended_at or run.started_at for run in runs) if compares_end else runs[0].started_at
            owned = is_admin or runs[0].owner == user
            if owned and start <= at <= end and _matches(record, parameters):
                found.append(record)
        running = [record for record in found if not record["completed"]]
        completed = [record for record in found if record["completed"]][:MOST_COMPLETED]
        return {"executions": running + completed} if running or completed else {}

    def status(self, execution_id: str, user: str, now: int) -> dict[str, object]:
        """One execution; ServiceError for one that is unknown or long gone."""
        runs = self._sessions(now - LONGEST_RUN_DAYS * DAY, now).get(execution_id)
        if runs is None or (user != self._cloud.admin_user and runs[0].owner != user):
            raise ServiceError(f"Execution {execution_id} wasn't found")
        return _record(runs, now)

    def _sessions(self, start: int, end: int) -> dict[str, list[TestRun]]:
        """Runs by external id, newest session first, with a day's margin for sessions that reach into the window."""
        world = self._cloud.world
        day = max(day_of(start) - timedelta(days=1), world.first_day())
        last = min(day_of(end), world.last_day())
        sessions: dict[str, list[TestRun]] = {}
        while day <= last:
            for run in world.test_runs(day):
                if run.started_at <= end:
                    sessions.setdefault(run.external_id, []).append(run)
            day += timedelta(days=1)
        return dict(sorted(sessions.items(), key=lambda item: item[1][0].started_at, reverse=True))


def _window(parameters: Mapping[str, str], now: int) -> tuple[int, int]:
    if "time.anchor" not in parameters and "time.offset" not in parameters:
        raise ServiceError("Request is missing parameters: [time.anchor, time.offset]")
    try:
        anchor = int(parameters.get("time.anchor", "-1"))
        offset = int(parameters.get("time.offset", "0")) * SECOND
    except ValueError:
        raise ServiceError("Parameters time.anchor and time.offset must be numbers") from None
    if anchor == -1:
        anchor = now
    if "time.anchor" not in parameters:
        offset = -abs(offset)
    if "time.offset" not in parameters:
        return anchor, now
    return min(anchor, anchor + offset), max(anchor, anchor + offset)


def _record(runs: list[TestRun], now: int) -> Record:
    first = runs[0]
    is_running = any(run.ended_at is not None and run.started_at <= now < run.ended_at for run in runs)
    number = draw(first.external_id, "script", 100_000)
    record: Record = {
        "executionId": first.external_id,
        "reportKey": f"PRIVATE:controller/{day_of(first.started_at):%y%m%d}/controller_{number}.xml",
        "status": "Running" if is_running else "Completed",
        "completed": not is_running,
        "description": first.name,
        "progressPercentage": 50 if is_running else 100,
        "devices": [
            {"id": listed_id(device), "manufacturer": device.manufacturer, "model": device.model}
            for device in {d.device_id: d for run in runs for d in run.devices}.values()
        ],
    }
    if not is_running:
        statuses = [run.status for run in runs]
        worst = next((s for s in ("FAILED", "BLOCKED", "UNKNOWN") if s in statuses), "PASSED")
        record["flowEndCode"] = FLOW_END_CODES[worst]
    return record


def _matches(record: Record, parameters: Mapping[str, str]) -> bool:
    if "completed" in parameters and (parameters["completed"] == "true") != record["completed"]:
        return False
    if "scriptKey" in parameters and parameters["scriptKey"] != record["reportKey"]:
        return False
    return "flowEndCode" not in parameters or parameters["flowEndCode"] == record.get("flowEndCode")
