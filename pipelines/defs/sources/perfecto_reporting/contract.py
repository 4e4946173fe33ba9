"""What the Smart Reporting export v3 sends: test executions, their platforms, and the commands of one test.

Field names and types are those of the vendor's schema list; `videos[].format`, `triggerType` and `streamingUrl` are
in its samples and clients only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from pipelines.lib.contract import (
    ABSENT,
    Child,
    Children,
    EpochMillis,
    ExpectedEpochMillis,
    Integer,
    IntegerNotText,
    JsonText,
    Key,
    Reject,
    Row,
    Table,
)
from pipelines.lib.redaction import Redaction

SOURCE = "perfecto_reporting"
KIND = "perfecto"
# Device identities, and the token that scripts pass as a capability (`selectionCriteria`).
REDACTION = Redaction("imei", "imsi", "phoneNumber", "wifiMacAddress", "securityToken")


class _Object(msgspec.Struct, rename="camel", gc=False):
    pass


class NamedValue(_Object):
    name: str | None = None
    value: str | None = None


class Job(_Object):
    name: str | None = None
    number: IntegerNotText = None
    branch: str | None = None


class Project(_Object):
    name: str | None = None
    version: str | None = None


class Screen(_Object):
    width: int | None = None
    height: int | None = None


class Video(_Object):
    start_time: int | None = None
    end_time: int | None = None
    format: str | None = None  # samples and every client
    video_format: str | None = None  # the schema list
    download_url: str | None = None
    streaming_url: str | None = None
    screen: Screen | None = None


class ExecutionEngine(_Object):
    version: str | None = None


class Artifact(_Object):
    type: str | None = None
    path: str | None = None
    content_type: str | None = None
    file_name: str | None = None
    zipped: bool | None = None


class TestExecution(_Object):
    __test__ = False  # pytest: not a test

    id: Key
    external_id: str | None = None
    name: str | None = None
    owner: str | None = None
    start_time: ExpectedEpochMillis = None
    end_time: ExpectedEpochMillis = None  # below 1 while the test has not ended
    ux_duration: Integer = None
    status: str | None = None
    job: Job | None = None
    project: Project | None = None
    platforms: Children = None
    videos: list[Video] | None = None
    tags: list[str | None] | None = None
    execution_engine: ExecutionEngine | None = None
    artifacts: list[Artifact] | None = None
    report_url: str | None = msgspec.field(default=None, name="reportURL")
    message: str | None = None
    custom_fields: list[NamedValue] | None = None
    failure_reason_name: str | None = None
    automation_framework: str | None = None
    parameters: list[NamedValue] | None = None
    trigger_type: str | None = None


class MobileInfo(_Object):
    manufacturer: str | None = None
    model: str | None = None
    distributor: str | None = None
    description: str | None = None
    firmware: str | None = None
    operator: str | None = None
    operator_country: str | None = None
    has_audio: bool | None = None


class BrowserInfo(_Object):
    browser_type: str | None = None
    browser_version: str | None = None


class Platform(_Object):
    device_id: str | None = None  # the schema list: not for DESKTOP; the sample has one there
    device_type: str | None = None
    os: str | None = None
    os_version: str | None = None
    screen_resolution: str | None = None  # 1080*1920 or 1024x768
    location: str | None = None
    mobile_info: MobileInfo | None = None
    browser_info: BrowserInfo | None = None
    alias: str | None = None
    selection_criteria: JsonText = ABSENT
    selection_criteria_v2: list[NamedValue] | None = msgspec.field(default=None, name="selectionCriteriaV2")
    custom_fields: list[NamedValue] | None = None


class PlatformPlace(msgspec.Struct, gc=False):
    """A platform's place: it has no id of its own."""

    test_execution_id: str
    platform_index: int


class TypedValue(_Object):
    type: str | None = None  # TEXT, REFERENCE, IMAGE_KEY
    value: str | None = None


class Image(_Object):
    image_path: str | None = None


class Parameter(_Object):
    name: str | None = None
    value: str | None = None
    attributes: str | None = None


class Command(_Object):
    name: str | None = None
    status: str | None = None  # SUCCESS, FAILURE
    message: str | None = None
    start_time: EpochMillis = None
    end_time: EpochMillis = None
    ux_duration: Integer = None
    expected_data: list[TypedValue] | None = None
    result_data: list[TypedValue] | None = None
    screenshots: list[str | None] | None = None
    expected_images: list[Image] | None = None
    parameters: list[Parameter] | None = None


class Step(_Object):
    """A logical step; the vendor gives neither steps nor commands an id."""

    test_execution_id: str | None = None
    name: str | None = None
    start_time: int | float | str | None = None
    end_time: int | float | str | None = None
    commands: list[msgspec.Raw] | None = None


class _StrictStep(Step, forbid_unknown_fields=True):
    """Refuses a field that nobody declared."""


class CommandPlace(msgspec.Struct, gc=False):
    """Where a command stands in its test, and the state of the test when it was asked."""

    test_execution_id: str
    step_index: int | None = None
    command_index: int | None = None
    step_name: str | None = None
    step_start_time: EpochMillis = None
    step_end_time: EpochMillis = None
    _test_state: str | None = None
    _step_undeclared: str | None = None  # as JSON; a command's `_raw` does not hold its step


_STEP = msgspec.json.Decoder(Step)
_STRICT_STEP = msgspec.json.Decoder(_StrictStep)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STEP_FIELDS = {member.encode_name for member in msgspec.structs.fields(Step)}


def commands_of_test(steps: Sequence[bytes], test: CommandPlace) -> Iterator[Row | Reject]:
    """One row per command; a step without commands, and a test without steps, is one row without them.

    Steps are counted from the place's own index where it has one: then they are what was refused before.
    """
    if not steps:
        yield Row(None, test, Command())
    for step_index, raw in enumerate(steps, test.step_index or 0):
        place = msgspec.structs.replace(test, step_index=step_index)
        try:
            step, news, place._step_undeclared = _step(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            yield Reject(raw, place, str(error))
            continue
        place.step_name, place.step_start_time, place.step_end_time = (
            step.name,
            step.start_time,
            step.end_time,
        )
        if not step.commands:
            yield Row(raw, place, Command(), news)
        for command_index, command in enumerate(step.commands or ()):
            in_step = msgspec.structs.replace(place, command_index=command_index)
            yield Row(command, in_step, undeclared=() if command_index else news)


def _step(raw: bytes) -> tuple[Step, list[str], str | None]:
    """The step; its fields that no contract names, and these as JSON."""
    try:
        return _STRICT_STEP.decode(raw), [], None
    except msgspec.ValidationError:
        step = _STEP.decode(raw)
    fields = _FIELDS.decode(raw)
    undeclared = {name: fields[name] for name in fields if name not in _STEP_FIELDS}
    return step, [f"step.{name}" for name in undeclared], msgspec.json.encode(undeclared).decode()


PLATFORMS = Table(
    source=SOURCE,
    name="platforms",
    kind="window",
    description="One row per device or browser that took part in a test execution.",
    record=Platform,
    place=PlatformPlace,
    key=("test_execution_id", "platform_index"),
    parent="test_execution_id",
    redaction=REDACTION,
)
TEST_EXECUTIONS = Table(
    source=SOURCE,
    name="test_executions",
    kind="window",
    description="One row per test execution, in the UTC day in which it started.",
    record=TestExecution,
    key=("id",),
    day_of="start_time",
    periods=(("start_time", "end_time", "end_before_start"),),
    redaction=REDACTION,
    nested=(Child(PLATFORMS, "platforms", lambda test, index: PlatformPlace(test.id, index)),),
)
COMMANDS = Table(
    source=SOURCE,
    name="commands",
    kind="window",
    description="One row per command of a test execution, in the day in which its test started.",
    record=Command,
    place=CommandPlace,
    key=("test_execution_id", "step_index", "command_index"),
    parent="test_execution_id",
    asked_by_parent=True,
    periods=(
        ("start_time", "end_time", "end_before_start"),
        ("step_start_time", "step_end_time", "step_end_before_start"),
    ),
    redaction=REDACTION,
    unfold=commands_of_test,
)
TABLES = (TEST_EXECUTIONS, PLATFORMS, COMMANDS)
