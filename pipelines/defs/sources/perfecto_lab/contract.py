"""What a Perfecto lab says of itself: its devices, who reserved them, and script executions.

Devices come in two dialects, JSON and XML, with the same names; the XML is read as JSON of the same shape before it
gets here (`handsets_xml.py`), so that one contract serves both. All of it is text, booleans too; what a device that
is not connected cannot tell is absent. Ids are kept as they are spelt, which is not as the reports spell them.
"""

from __future__ import annotations

import msgspec

from pipelines.lib.contract import Boolean, EpochMillis, Integer, JsonText, Key, Table
from pipelines.lib.redaction import Redaction

SOURCE = "perfecto_lab"
KIND = "perfecto"
REDACTION = Redaction("imei", "nativeImei", "imsi", "phoneNumber", "wifiMacAddress", "securityToken")


class _Object(msgspec.Struct, rename="camel", gc=False):
    pass


class Link(_Object):
    type: str | None = None  # lab, local, unknown


class Operator(_Object):
    content: str | None = None  # the text beside the three elements, in XML
    name: str | None = None
    country: str | None = None
    code: str | None = None


class OperabilityRating(_Object):
    score: Integer = None


class Position(_Object):
    id: str | None = None
    method: str | None = None
    rotation: str | None = None


class DebugLogs(_Object):
    collecting: Boolean = None


class Device(_Object):
    device_id: Key
    manufacturer: str | None = None
    model: str | None = None
    distributer: str | None = None  # spelt so by the vendor
    description: str | None = None
    firmware: str | None = None
    os_build: str | None = None
    cpu_arch: str | None = None
    link: Link | None = None
    operator: Operator | None = None
    location: str | None = None
    last_cradle_id: str | None = None
    language: str | None = None
    status: str | None = None
    mode: str | None = None
    available: Boolean = None
    reserved: Boolean = None
    in_use: Boolean = None  # absent unless connected
    allocated_to: str | None = None
    reserved_to: str | None = None
    operability_rating: OperabilityRating | None = None
    cradle_id: str | None = None
    position: Position | None = None
    debug_logs: DebugLogs | None = None
    os: str | None = None
    os_version: str | None = None
    resolution: str | None = None
    dynamic_fields: JsonText = msgspec.Raw(b"")  # one property, or a list of them


class Moment(_Object):
    formatted: str | None = None
    millis: EpochMillis = None  # text


class Reservation(_Object):
    id: Key
    resource_id: str | None = None
    reserved_to: str | None = None
    reserved_by: str | None = None
    start_time: Moment | None = None
    end_time: Moment | None = None
    created: Moment | None = None
    status: str | None = None  # STARTED, SCHEDULED, EXPIRED are seen
    description: str | None = None


class ScriptDevice(_Object):
    id: str | None = None
    manufacturer: str | None = None
    model: str | None = None


class ScriptExecution(_Object):
    execution_id: Key
    report_key: str | None = None
    status: str | None = None
    completed: Boolean = None
    flow_end_code: str | None = None  # Success, Failed, UserAborted, Unknown
    reason: str | None = None
    description: str | None = None
    completion_description: str | None = None
    failed_validations: Integer = None
    failed_actions: Integer = None
    progress_percentage: Integer = None
    devices: list[ScriptDevice] | None = None
    parent: JsonText = msgspec.Raw(b"")


DEVICES = Table(
    source=SOURCE,
    name="devices",
    kind="snapshot",
    description="One row per device that the user may see, as it was at the time of the observation.",
    record=Device,
    key=("device_id",),
    redaction=REDACTION,
)
RESERVATIONS = Table(
    source=SOURCE,
    name="reservations",
    kind="snapshot",
    description="One row per reservation of a device around the time of the observation.",
    record=Reservation,
    key=("id",),
    periods=(("start_time_millis", "end_time_millis", "end_before_start"),),
    redaction=REDACTION,
)
SCRIPT_EXECUTIONS = Table(
    source=SOURCE,
    name="script_executions",
    kind="snapshot",
    description="One row per script execution that was running, or had completed shortly before the observation.",
    record=ScriptExecution,
    key=("execution_id",),
    redaction=REDACTION,
)
TABLES = (DEVICES, RESERVATIONS, SCRIPT_EXECUTIONS)
