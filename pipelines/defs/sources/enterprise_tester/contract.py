"""What Enterprise Tester's API sends of script runs, their steps, and what they belong to.

Names and types follow the vendor's Swagger description; strings it calls required are null in its samples. A step
result's own `RunId` is left in `_raw`: it is often the empty GUID, and one sample shows another run's.
"""

from __future__ import annotations

import msgspec

from pipelines.lib.contract import (
    ABSENT,
    Child,
    Children,
    ExpectedInstant,
    Guid,
    GuidKey,
    Instant,
    Integer,
    JsonText,
    RawOnly,
    Table,
)
from pipelines.lib.redaction import Redaction

SOURCE = "enterprise_tester"
KIND = "enterprise_tester"
REDACTION = (
    Redaction()
)  # it sends neither device identities nor credentials; URL parameters are cut as everywhere


class _Entity(msgspec.Struct, rename="pascal", gc=False, kw_only=True):
    """What every entity carries beside its own fields. `Self` names a host that is not to be followed."""

    self: str | None = None
    expands: RawOnly = ABSENT
    links: RawOnly = ABSENT


class StepResult(_Entity, kw_only=True):
    run_id: RawOnly = ABSENT
    id: GuidKey
    description: str | None = None
    data: str | None = None
    notes: str | None = None
    expected_result: str | None = None
    actual_result: str | None = None
    outcome: str | None = None  # NotRun, Failed, Passed, Blocked, Undetermined
    has_incidents: bool | None = None
    has_attachments: bool | None = None


class StepPlace(msgspec.Struct, gc=False):
    """Whose step it is, by the run it came with, and its place: steps have no number."""

    run_id: GuidKey
    step_index: int


class ScriptRun(_Entity, kw_only=True):
    id: GuidKey
    actual_duration: str | None = None  # free text: "5 minutes", "", absent
    script_id: Guid = None
    script_version: Integer = None
    assignment_id: Guid = None
    created_at: ExpectedInstant = None
    last_updated_at: Instant = None
    created_by_id: Guid = None
    created_by: str | None = None
    run_by_id: Guid = None
    run_by: str | None = None
    last_updated_by_id: Guid = None
    last_updated_by: str | None = None
    status: str | None = None
    completed: bool | None = None
    step_results: Children = None
    widgets: JsonText = ABSENT
    field_values: JsonText = ABSENT


class ProjectPlace(msgspec.Struct, gc=False):
    """The project that was asked: neither assignments nor runs name it."""

    _project_id: Guid
    _project_name: str | None


class TimeTracking(msgspec.Struct, rename="pascal", gc=False):
    """Working hours and days that durations in days and weeks are meant in."""

    hours_per_day: Integer = None
    days_per_week: Integer = None


class Project(_Entity, kw_only=True):
    id: GuidKey
    name: str | None = None
    organisation_id: Guid = None
    slug: str | None = None
    start_date: Instant = None
    estimated_end_date: Instant = None
    time_tracking_configuration: TimeTracking | None = None


class ExecutionPackage(_Entity, kw_only=True):
    id: GuidKey
    parent_id: Guid = None
    project_id: Guid = None
    name: str | None = None
    stereotype: str | None = None
    order_number: Integer = None


class PackageOfAssignment(_Entity, kw_only=True):
    """As `$expand=Package` shows it."""

    id: RawOnly = ABSENT
    parent_id: RawOnly = ABSENT
    project_id: Guid = None
    name: str | None = None
    stereotype: RawOnly = ABSENT
    order_number: RawOnly = ABSENT
    self: RawOnly = ABSENT


class ScriptAssignment(_Entity, kw_only=True):
    id: GuidKey
    script_id: Guid = None
    name: str | None = None
    status: str | None = None
    assigned_to: str | None = None
    assigned_to_id: Guid = None
    package_id: Guid = None
    package: PackageOfAssignment | None = None


STEP_RESULTS = Table(
    source=SOURCE,
    name="step_results",
    kind="window",
    description="One row per step of a script run, in the day in which the run was created.",
    record=StepResult,
    place=StepPlace,
    key=("run_id", "id", "step_index"),
    parent="run_id",
    redaction=REDACTION,
)
SCRIPT_RUNS = Table(
    source=SOURCE,
    name="script_runs",
    kind="window",
    description="One row per manual run of an assigned script, in the UTC day in which it was created.",
    record=ScriptRun,
    place=ProjectPlace,
    key=("id",),
    day_of="created_at",
    newest_by="last_updated_at",
    parent="assignment_id",
    redaction=REDACTION,
    nested=(Child(STEP_RESULTS, "step_results", lambda run, index: StepPlace(run.id, index)),),
)
PROJECTS = Table(
    source=SOURCE,
    name="projects",
    kind="snapshot",
    description="One row per project and observation.",
    record=Project,
    key=("id",),
    redaction=REDACTION,
)
EXECUTION_PACKAGES = Table(
    source=SOURCE,
    name="execution_packages",
    kind="snapshot",
    description="One row per execution package and observation.",
    record=ExecutionPackage,
    key=("id",),
    redaction=REDACTION,
)
SCRIPT_ASSIGNMENTS = Table(
    source=SOURCE,
    name="script_assignments",
    kind="snapshot",
    description="One row per script assigned in an execution package, and observation.",
    record=ScriptAssignment,
    place=ProjectPlace,
    key=("id",),
    redaction=REDACTION,
)
TABLES = (SCRIPT_RUNS, STEP_RESULTS, PROJECTS, EXECUTION_PACKAGES, SCRIPT_ASSIGNMENTS)
