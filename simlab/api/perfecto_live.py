"""Perfecto Execution Manager: what is running now, as a bare array; and the stop that nobody should call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simlab.api.answers import Refusal, json_answer, user_message
from simlab.api.perfecto_cloud import PerfectoCloud
from simlab.api.perfecto_handsets import operator_code
from simlab.api.perfecto_records import distributor_of
from simlab.world.model import Device, TestRun

EXECUTIONS = "/executions/execution-manager/api/v1/executions"
LAYOUTS = {"id": "id", "name": "name", "owner": "owner", "platforms": "platforms", "devices": "platforms"}
FILTERS = ("id", "name", "owner")
SORTS = ("id", "name", "owner", "startTime")
# The live service names systems in its own way; what it says of a system need not be what the reports say.
LIVE_OS = {"ANDROID": "Android", "IOS": "iOS", "MAC": "macOS"}
Record = dict[str, object]


class ExecutionManager:
    """Search and stop."""

    def __init__(self, cloud: PerfectoCloud) -> None:
        self._cloud = cloud

    async def search(self, request: Request) -> Response:
        """Executions that run now. Without the admin role a user sees only their own, and nothing says so."""
        user = self._cloud.user(request)
        wish = await _body(request)
        executions = self._visible(user)
        executions = _filtered(executions, _mapping(wish, "filter"))
        executions = _sorted(executions, wish.get("sort") or [])
        layout = wish.get("layout")
        if layout:
            keys = _layout(layout)
            executions = [{key: e[key] for key in e if key in keys} for e in executions]
        return json_answer(executions)

    async def stop(self, request: Request) -> Response:
        """Answers as if it stopped what the filter names. The world goes on; the request log remembers the call."""
        user = self._cloud.user(request)
        stopped = [e["id"] for e in _filtered(self._visible(user), await _body(request))]
        return json_answer({"stoppedExecutions": stopped, "unStoppedExecutions": []})

    def _visible(self, user: str) -> list[Record]:
        """One record per driver session: its tests share an external id."""
        sessions: dict[str, list[TestRun]] = {}
        for run in self._cloud.running(self._cloud.clock.now()):
            if user in (self._cloud.admin_user, run.owner):
                sessions.setdefault(run.external_id, []).append(run)
        return [_execution(external_id, runs) for external_id, runs in sessions.items()]


def _execution(external_id: str, runs: list[TestRun]) -> Record:
    first = runs[0]
    devices = {device.device_id: device for run in runs for device in run.devices}
    return {
        "id": external_id,
        "name": first.name,
        "startTime": first.started_at,
        "owner": first.owner,
        "platforms": [_platform(device) for device in devices.values()],
    }


def _platform(device: Device) -> Record:
    record: Record = {
        "id": device.device_id,
        "deviceType": device.device_type,
        "os": LIVE_OS.get(device.os, f"{device.os.capitalize()}{device.os_version}"),
        "osVersion": device.os_version,
        "screenResolution": device.resolution,
        "location": device.location,
    }
    if device.device_type == "DESKTOP":
        record["browserInfo"] = {"browserType": device.browser_type, "browserVersion": device.browser_version}
        return record
    info: Record = {
        "manufacturer": device.manufacturer,
        "model": device.model,
        "description": device.description,
        "imei": device.imei,
        "imsi": device.imsi,
        "phoneNumber": device.phone_number,
        "distributor": distributor_of(device),
        "firmware": device.firmware,
    }
    info = {key: value for key, value in info.items() if value}
    if device.operator:
        code = operator_code(device)
        info["operatorInfo"] = {"name": device.operator, "country": device.operator_country, "code": code}
    record["mobileInfo"] = info
    return record


async def _body(request: Request) -> Mapping[str, object]:
    body = await request.body()
    if not body:
        return {}
    try:
        wish = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise Refusal(user_message(400, "The request body is not valid JSON")) from None
    if not isinstance(wish, dict):
        raise Refusal(user_message(400, "The request body must be a JSON object"))
    return wish


def _mapping(parent: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = parent.get(key) or {}
    if not isinstance(value, dict):
        raise Refusal(user_message(400, f"{key} must be an object"))
    return value


def _filtered(executions: list[Record], wish: Mapping[str, object]) -> list[Record]:
    for key, excludes in (("fields", False), ("excludedFields", True)):
        for field, values in _mapping(wish, key).items():
            if field not in FILTERS or not isinstance(values, list):
                raise Refusal(user_message(400, f"Cannot filter by {field}"))
            executions = [e for e in executions if (e[field] in values) != excludes]
    text = str(wish.get("freeTextFilter") or "").lower()
    return [e for e in executions if text in " ".join(_searched(e)).lower()] if text else executions


def _searched(execution: Record) -> Iterable[str]:
    yield from (str(execution[field]) for field in FILTERS)
    platforms: list[Record] = execution["platforms"]  # type: ignore[assignment]
    for platform in platforms:
        yield from (str(platform[field]) for field in ("id", "deviceType", "os", "osVersion"))


def _sorted(executions: list[Record], wish: object) -> list[Record]:
    if not isinstance(wish, list):
        raise Refusal(user_message(400, "sort must be an array"))
    for part in reversed(wish):
        by = part.get("sortBy") if isinstance(part, dict) else None
        if by not in SORTS:
            raise Refusal(user_message(400, f"Cannot sort by {by}"))
        executions = sorted(executions, key=lambda e: e[by], reverse=part.get("sortOrder") == "DESCEND")  # type: ignore[arg-type,return-value]
    return executions


def _layout(layout: object) -> set[str]:
    if not isinstance(layout, list) or any(name not in LAYOUTS for name in layout):
        raise Refusal(user_message(400, f"layout must be an array of {', '.join(LAYOUTS)}"))
    return {LAYOUTS[name] for name in layout}


def routes(cloud: PerfectoCloud) -> list[Route]:
    """Routes below the cloud's prefix."""
    manager = ExecutionManager(cloud)
    return [
        Route(f"{EXECUTIONS}/search", manager.search, methods=["POST"]),
        Route(f"{EXECUTIONS}/stop", manager.stop, methods=["POST"]),
    ]
