"""The export's query parameters: time window, page, and field filters.

Names carry an index, `tags[0]`; brackets come raw or encoded. Values of one field are alternatives, fields
must all hold, and an `x` before the name excludes. Unknown names are ignored, as the web page's own are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from simlab.api.answers import Refusal, user_message
from simlab.api.perfecto_records import failure_reason_at, failure_reason_id, status_at
from simlab.world.model import TestRun

INDEXED = re.compile(r"^(.+?)(?:\[(\d+)\])?$")
Values = Callable[[TestRun, int, str], Iterable[str | None]]

FIELDS: dict[str, Values] = {
    "externalId": lambda run, _now, _cloud: (run.external_id,),
    "executionId": lambda run, _now, _cloud: (run.external_id,),
    "id": lambda run, _now, _cloud: (run.id,),
    "tags": lambda run, _now, _cloud: run.tags,
    "status": lambda run, now, _cloud: (status_at(run, now),),
    "os": lambda run, _now, _cloud: (device.os for device in run.devices),
    "browserType": lambda run, _now, _cloud: (device.browser_type for device in run.devices),
    "browserVersion": lambda run, _now, _cloud: (device.browser_version for device in run.devices),
    "screenResolution": lambda run, _now, _cloud: (device.resolution for device in run.devices),
    "deviceType": lambda run, _now, _cloud: (device.device_type for device in run.devices),
    "deviceModel": lambda run, _now, _cloud: (device.model for device in run.devices),
    "deviceId": lambda run, _now, _cloud: (device.device_id for device in run.devices),
    "jobName": lambda run, _now, _cloud: (run.job_name,),
    "jobNumber": lambda run, _now, _cloud: (None if run.job_number is None else str(run.job_number),),
    "jobBranch": lambda run, _now, _cloud: (run.job_branch,),
    "projectName": lambda run, _now, _cloud: (run.project_name,),
    "projectVersion": lambda run, _now, _cloud: (run.project_version,),
    "triggerType": lambda run, _now, _cloud: (run.trigger_type,),
    "failureReason": lambda run, now, cloud: (
        None if (name := failure_reason_at(run, now)) is None else failure_reason_id(cloud, name),
    ),
}
# The vendor's page misspells this value in one place.
MISSPELT = {"INTERNET_EXPORER": "INTERNET_EXPLORER"}


@dataclass(frozen=True, slots=True)
class Condition:
    values: Values
    wanted: frozenset[str]
    excludes: bool

    def holds(self, run: TestRun, now: int, cloud: str) -> bool:
        """True when the run may be listed as far as this field goes."""
        return any(value in self.wanted for value in self.values(run, now, cloud)) != self.excludes


@dataclass(frozen=True, slots=True)
class Query:
    """What a request for test executions asks: both bounds compare the test's start, and both are included."""

    start: int | None
    end: int | None
    page: int
    conditions: tuple[Condition, ...]
    ids: tuple[str, ...]

    def matches(self, run: TestRun, now: int, cloud: str) -> bool:
        """True when every field filter lets the run through; the window is not looked at."""
        return all(condition.holds(run, now, cloud) for condition in self.conditions)


def parse(parameters: Iterable[tuple[str, str]]) -> Query:
    """The query of decoded name-value pairs; Refusal where a number is not one."""
    start = end = None
    page = 1
    wanted: dict[str, set[str]] = {}
    for name, value in parameters:
        match = INDEXED.match(name)
        if match is None:
            continue
        field, index = match[1], match[2]
        if name == "_page":
            page = _number(name, value)
        elif field in ("startExecutionTime", "endExecutionTime"):
            if index not in (None, "0"):
                continue
            if field == "startExecutionTime":
                start = _number(field, value)
            else:
                end = _number(field, value)
        else:
            wanted.setdefault(field, set()).add(MISSPELT.get(value, value))
    if page < 1:
        raise Refusal(user_message(400, "Parameter _page must be 1 or greater"))
    conditions = []
    for field, values in wanted.items():
        condition = _condition(field, frozenset(values))
        if condition is not None:
            conditions.append(condition)
    return Query(
        start=start,
        end=end if start is not None else None,
        page=page,
        conditions=tuple(conditions),
        ids=tuple(sorted(wanted.get("id", ()))),
    )


def _number(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise Refusal(user_message(400, f"Parameter {name} must be a number")) from None


def _condition(field: str, wanted: frozenset[str]) -> Condition | None:
    values = _values_of(field)
    if values is not None:
        return Condition(values, wanted, excludes=False)
    if field.startswith("x") and (values := _values_of(field[1:])) is not None:
        return Condition(values, wanted, excludes=True)
    return None


def _values_of(field: str) -> Values | None:
    if field.startswith("customField."):
        name = field.removeprefix("customField.")
        return lambda run, _now, _cloud: (value for key, value in run.custom_fields if key == name)
    return FIELDS.get(field)
