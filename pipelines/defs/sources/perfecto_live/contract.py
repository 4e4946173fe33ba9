"""What the Execution Manager sends: the executions that run now, each with the devices that it holds.

There is no end, no status and no job here. Platforms are described in other words than in the reporting export:
`id` is the device's, the operator is an object, and `os` is free text.
"""

from __future__ import annotations

import msgspec

from pipelines.lib.contract import ExpectedEpochMillis, Key, Table
from pipelines.lib.redaction import Redaction

SOURCE = "perfecto_live"
KIND = "perfecto"
REDACTION = Redaction("imei", "imsi", "phoneNumber", "wifiMacAddress", "securityToken")


class _Object(msgspec.Struct, rename="camel", gc=False):
    pass


class OperatorInfo(_Object):
    name: str | None = None
    country: str | None = None
    code: str | None = None


class MobileInfo(_Object):
    manufacturer: str | None = None
    model: str | None = None
    description: str | None = None
    distributor: str | None = None
    firmware: str | None = None
    operator_info: OperatorInfo | None = None


class BrowserInfo(_Object):
    browser_type: str | None = None
    browser_version: str | None = None


class Platform(_Object):
    id: str | None = None
    device_type: str | None = None
    os: str | None = None  # "Windows10" is seen for a phone
    os_version: str | None = None
    screen_resolution: str | None = None
    location: str | None = None
    mobile_info: MobileInfo | None = None
    browser_info: BrowserInfo | None = None


class Execution(_Object):
    id: Key
    name: str | None = None
    start_time: ExpectedEpochMillis = None
    owner: str | None = None
    platforms: list[Platform] | None = None


EXECUTIONS = Table(
    source=SOURCE,
    name="executions",
    kind="snapshot",
    description="One row per execution that was running at the time of the observation.",
    record=Execution,
    key=("id",),
    redaction=REDACTION,
)
TABLES = (EXECUTIONS,)
