"""HCL test executions at a given time: their status, their record, and the filters of the list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta

from simlab.api.answers import Refusal, draw, text_answer
from simlab.clock import HOUR, MINUTE, SECOND, Clock, iso_millis, start_of
from simlab.world.model import HclWorld, ServerExecution

ACTIVE = frozenset(("RUNNING", "IN_TRANSITION", "SCHEDULED", "STOPPING"))
STATUSES = ACTIVE | {
    "COMPLETE",
    "COMPLETE_WITH_ERROR",
    "STOPPED_BY_USER",
    "STOPPED_AUTOMATICALLY",
    "INCOMPLETE",
    "CANCELED",
    "LAUNCH_FAILED",
}
PLANNED_AHEAD = 6 * HOUR  # an execution is on the list that long before its scheduled time
NEVER = 1 << 62
DATE_FILTERS = (
    "completionDateAfter",
    "completionDateBefore",
    "completionDateNotSetOrAfter",
    "scheduledDateAfter",
    "scheduledDateBefore",
)
Record = dict[str, object]


def ends_at(execution: ServerExecution) -> int:
    """When it has its last status: at completion, or an hour after its start (its plan) where it never completed."""
    if execution.completed_at is not None:
        return execution.completed_at
    if execution.started_at is None:
        return execution.scheduled_at
    return execution.started_at + HOUR


def status_at(execution: ServerExecution, now: int) -> str:
    """The status that is shown."""
    if now >= ends_at(execution):
        return execution.status
    if now < execution.scheduled_at:
        return "SCHEDULED"
    if execution.started_at is None or now < execution.started_at:
        return "IN_TRANSITION"
    stops = execution.status in ("STOPPED_BY_USER", "STOPPED_AUTOMATICALLY", "CANCELED")
    return "STOPPING" if stops and now >= ends_at(execution) - MINUTE else "RUNNING"


def completed_by(execution: ServerExecution, now: int) -> int | None:
    """The completion date that is shown; None before it, and where there never is one."""
    return execution.completed_at if now >= ends_at(execution) else None


def execution_record(execution: ServerExecution, base: str, now: int, with_data: bool) -> Record:
    """One execution. Its result's address is the server's own, at a host that clients need not reach."""
    record: Record = {
        "id": execution.id,
        "result": {
            "ref": f"{base}/rest/projects/{execution.project_id}/results/{execution.result_id}",
            "id": execution.result_id,
        },
        "status": status_at(execution, now),
    }
    if execution.message is not None and now >= ends_at(execution):
        record["message"] = execution.message
    if draw(execution.id, "internal", 3) == 0:
        record["internal"] = {"pod": f"execution-{execution.id[:8]}", "attempt": 1}
    started = execution.started_at is not None and execution.started_at <= now
    completed_at = completed_by(execution, now)
    record["startDate"] = (
        iso_millis(execution.started_at) if started and execution.started_at is not None else None
    )
    record["completionDate"] = iso_millis(completed_at) if completed_at is not None else None
    if with_data:
        record["data"] = {
            "environment": execution.environment,
            "tags": list(execution.tags),
            "testAsset": {
                "assetId": execution.asset_id,
                "name": execution.asset_path,
                "externalType": execution.asset_type,
            },
            "scheduled": {"at": iso_millis(execution.scheduled_at)},
        }
    return record


class ExecutionList:
    """A server's executions over the world's days; a day that ended before what is asked for is not opened twice."""

    def __init__(self, world: HclWorld, clock: Clock, first_day: date, last_day: date) -> None:
        self._world = world
        self._clock = clock
        self._days = [first_day + timedelta(days=n) for n in range((last_day - first_day).days + 1)]
        self._last_end: dict[tuple[str, date], int] = {}

    def known(self, project_id: str, ended_after: int = 0) -> Iterator[ServerExecution]:
        """Those on the list by now, by planned time, leaving out days on which everything ended before `ended_after`."""
        horizon = self._clock.now() + PLANNED_AHEAD
        for day in self._days:
            key = (project_id, day)
            if start_of(day) > horizon or self._last_end.get(key, ended_after) < ended_after:
                continue
            executions = self._world.executions(project_id, day)
            self._last_end[key] = max(
                (NEVER if e.completed_at is None else e.completed_at for e in executions), default=0
            )
            yield from (execution for execution in executions if execution.scheduled_at <= horizon)

    def find(self, project_id: str, execution_id: str) -> ServerExecution | None:
        """One execution of a project."""
        return next((e for e in self.known(project_id) if e.id == execution_id), None)

    def matching(self, project_id: str, parameters: Mapping[str, str]) -> list[ServerExecution]:
        """By the documented filters. Without `execution.status` only active ones, whatever else is asked."""
        now = self._clock.now()
        dates = {name: _instant(name, parameters[name]) for name in DATE_FILTERS if name in parameters}
        statuses = _statuses(parameters.get("execution.status"))
        ended_after = dates.get("completionDateAfter", dates.get("completionDateNotSetOrAfter", 0))
        if statuses == ACTIVE:
            ended_after = now
        return [
            execution
            for execution in self.known(project_id, min(ended_after, now))
            if status_at(execution, now) in statuses
            and _in_dates(execution, dates, now)
            and _described(execution, parameters)
        ]


def _statuses(text: str | None) -> frozenset[str]:
    if text is None:
        return ACTIVE
    wanted = frozenset(text.split(","))
    return STATUSES if "ALL" in wanted else wanted


def _in_dates(execution: ServerExecution, dates: Mapping[str, int], now: int) -> bool:
    completed_at = completed_by(execution, now)
    for name, bound in dates.items():
        if name == "completionDateNotSetOrAfter":
            holds = completed_at is None or completed_at > bound
        elif name.startswith("completion"):
            holds = completed_at is not None and (
                completed_at > bound if name.endswith("After") else completed_at < bound
            )
        else:
            at = execution.scheduled_at
            holds = at > bound if name.endswith("After") else at < bound
        if not holds:
            return False
    return True


def _described(execution: ServerExecution, parameters: Mapping[str, str]) -> bool:
    """Lists are alternatives, but all labels of `tag` must be there."""
    alternatives = {
        "environment": execution.environment,
        "asset.id": execution.asset_id,
        "asset.path": execution.asset_path,
        "asset.externalType": execution.asset_type,
    }
    if any(
        have not in parameters[name].split(",") for name, have in alternatives.items() if name in parameters
    ):
        return False
    return "tag" not in parameters or set(parameters["tag"].split(",")) <= set(execution.tags)


def _instant(name: str, text: str) -> int:
    """A time as java.time.Instant reads it: ISO 8601 with a Z."""
    try:
        if not text.endswith("Z"):
            raise ValueError(text)
        return round(datetime.fromisoformat(text).timestamp() * SECOND)
    except ValueError:
        raise Refusal(text_answer(f"{name} is not a date: {text}", 400)) from None
