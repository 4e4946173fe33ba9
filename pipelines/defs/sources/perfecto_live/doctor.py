"""How `flakehouse doctor` looks at a Perfecto cloud's Execution Manager.

A user without the role for it is shown their own executions as if these were all. It gives itself away where one
owner's are seen only, while devices are in use that belong to none of them. Where nothing of that kind is to be seen,
the cloud's older services tell whether it takes them for an administrator.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from pipelines.defs.sources.perfecto_live.client import PerfectoLive, client
from pipelines.defs.sources.perfecto_live.contract import EXECUTIONS, Execution
from pipelines.lib.http import connect, endpoint
from pipelines.lib.probing import Finding, Probe, glance
from pipelines.lib.source_errors import NotAuthorised, SourceError
from pipelines.lib.user_messages import complaint
from pipelines.settings import PerfectoConnection

__all__ = ["PROBES", "client"]

_DEVICES = "api/v1/device-management/devices"
_ADVICE = "give the token's user the Admin Execution role"


class _Device(msgspec.Struct, rename="camel"):
    device_id: str = ""
    in_use: str | bool | None = None


class _Handsets(msgspec.Struct):
    handset: list[_Device] = []


class _Devices(msgspec.Struct):
    handsets: _Handsets


_read_devices = msgspec.json.Decoder(_Devices).decode
_read_execution = msgspec.json.Decoder(Execution).decode


async def executions(source: PerfectoLive, connection: PerfectoConnection, now: datetime) -> Finding:
    """What runs now, and whether others' executions are among it."""
    if connection.executions_url is None:
        return Finding("off", "executions_url is not set")
    seen = await glance(source.executions())
    before = [_read_execution(record) for record in seen.records]
    if len({execution.owner for execution in before}) > 1:
        return seen.finding(f"{len(before)} executions of several owners run now")
    in_use = await _devices_in_use(connection, now)
    after = [_read_execution(record) for record in (await glance(source.executions())).records]
    ours = {
        platform.id.lower()
        for execution in (*before, *after)
        for platform in execution.platforms or ()
        if platform.id
    }
    if others := in_use - ours:
        what = f"{len(others)} devices are in use by executions that this user does not see"
        return seen.finding(what, state="partial", advice=_ADVICE)
    shown = f"{len(before)} executions of one owner run now" if before else "nothing runs now"
    if await _is_refused_as_administrator(connection, now):
        what = f"{shown}, and others' may be hidden: the cloud does not take this user for an administrator"
        return seen.finding(what, state="partial", advice=_ADVICE)
    return seen.finding(f"{shown}, and no device is in use beside")


async def _devices_in_use(connection: PerfectoConnection, now: datetime) -> set[str]:
    """None where the cloud does not tell: nobody may ask a public one."""
    asked = endpoint(
        connection,
        connection.app_url,
        headers={"Perfecto-Authorization": connection.token.get_secret_value()},
        credentials="token",
        complaint=complaint,
    )
    try:
        async with connect(asked, lambda: now) as http:
            devices = await http.post_json(_DEVICES, {"device": {}}, _read_devices)
    except SourceError:
        return set()
    return {d.device_id.lower() for d in devices.handsets.handset if d.in_use in (True, "true")}


async def _is_refused_as_administrator(connection: PerfectoConnection, now: datetime) -> bool:
    if connection.services_url is None:
        return False
    form = {
        "operation": "list",
        "securityToken": connection.token.get_secret_value(),
        "responseFormat": "JSON",
        "completed": "false",
        "time.offset": "60",
        "admin": "true",
    }
    try:
        async with connect(
            endpoint(connection, connection.services_url, credentials="token"), lambda: now
        ) as http:
            await http.post_form("services/executions", form, bytes)
    except NotAuthorised:
        return True
    except SourceError:
        return False
    return False


PROBES = (Probe(EXECUTIONS, executions),)
