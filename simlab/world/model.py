"""The words of the simulated world: what exists and what happens in it, before any vendor's dialect.

Times are integers, milliseconds since 1970-01-01 UTC. Everything is frozen and is a pure function of the
world's parameters: asking twice gives equal answers, and asking for one day costs one day.
What a vendor's page would show of it (oddities, redactable fields, edits that the clock has not reached yet)
belongs to `simlab.api`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Device:
    """A phone, tablet, simulator or desktop browser machine of one Perfecto cloud."""

    device_id: str  # as the reports spell it; device lists may use another case
    device_type: str  # MOBILE, SIMULATOR or DESKTOP
    manufacturer: str
    model: str
    os: str  # ANDROID, IOS, WINDOWS, MAC (the reporting export's spelling)
    os_version: str
    resolution: str
    location: str
    description: str
    firmware: str
    operator: str
    operator_country: str
    imei: str
    imsi: str
    phone_number: str
    wifi_mac_address: str
    browser_type: str | None = None
    browser_version: str | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """A later change of a run's failure reason by a person; None clears it."""

    at: int
    failure_reason_name: str | None


@dataclass(frozen=True, slots=True)
class TestRun:
    """One attempt of one test, or a manual session, on a Perfecto cloud."""

    id: str  # 24 hex digits
    external_id: str
    name: str
    owner: str
    started_at: int
    ended_at: int | None  # None: the machine that ran it crashed, and it never got an end
    status: str  # PASSED, FAILED, BLOCKED, UNKNOWN
    devices: tuple[Device, ...]
    visible_at: (
        int  # from when on the reporting export lists it: seconds after its end, or hours for a late one
    )
    project_name: str | None = None
    project_version: str | None = None
    job_name: str | None = None
    job_number: int | None = None
    job_branch: str | None = None
    message: str | None = None
    failure_reason_name: str | None = None
    edits: tuple[Edit, ...] = ()
    tags: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    custom_fields: tuple[tuple[str, str | None], ...] = ()
    automation_framework: str | None = None
    trigger_type: str | None = None
    oddity: str | None = None  # name of a documented oddity that `simlab.api.perfecto_reporting` shows on it
    cause_id: str | None = None  # truth: why it failed; None where it passed
    outage_id: str | None = None  # truth: the outage that made it fail


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    status: str  # SUCCESS or FAILURE
    started_at: int
    ended_at: int
    message: str | None = None
    parameters: tuple[tuple[str, str, str | None], ...] = ()  # name, value, attributes (SENSITIVE, HIDDEN)
    has_screenshot: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A logical step; the first of a test may have no name and no times."""

    name: str | None
    started_at: int | None
    ended_at: int | None
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Reservation:
    id: str
    device_id: str
    reserved_to: str
    started_at: int
    ended_at: int
    created_at: int
    description: str


@dataclass(frozen=True, slots=True)
class Outage:
    """Truth: a time in which a device, a location or a whole connection failed tests for no fault of theirs."""

    outage_id: str
    connection: str
    scope: str  # device, location, connection
    scope_id: str
    started_at: int
    ended_at: int


@dataclass(frozen=True, slots=True)
class ServerExecution:
    """One HCL DevOps Test Server execution."""

    id: str
    project_id: str
    result_id: str
    status: str  # as it ended
    scheduled_at: int
    started_at: int | None
    completed_at: int | None
    message: str | None
    environment: str
    asset_id: str
    asset_path: str
    asset_type: str
    tags: tuple[str, ...]
    log: str | None


@dataclass(frozen=True, slots=True)
class Agent:
    id: int
    host_name: str
    ip_address: str
    owner: str
    operating_system: str
    architecture: str
    ram_bytes: int
    version: str


@dataclass(frozen=True, slots=True)
class DockerHost:
    id: int
    name: str
    host_name: str
    ip_address: str
    port: str
    owner: str
    username: str
    ca_cert: str
    client_cert: str
    client_key: str


@dataclass(frozen=True, slots=True)
class Project:
    """An Enterprise Tester project."""

    id: str
    name: str
    organisation_id: str
    slug: str
    hours_per_day: int
    days_per_week: int


@dataclass(frozen=True, slots=True)
class Package:
    id: str
    project_id: str
    parent_id: str | None
    name: str
    order_number: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """A script assigned to a tester in an execution package."""

    id: str
    script_id: str
    name: str
    project_id: str
    package_id: str
    assigned_to: str
    assigned_to_id: str


@dataclass(frozen=True, slots=True)
class StepResult:
    id: str
    description: str
    data: str | None
    notes: str | None
    expected_result: str
    actual_result: str | None
    outcome: str  # NotRun, Passed, Failed, Blocked, Undetermined


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """One manual run of an assigned script."""

    id: str
    assignment_id: str
    script_id: str
    script_version: int
    created_at: int
    completed_at: int
    actual_duration: str | None  # vendor's free text, as it was first entered
    edited_at: int | None  # when the duration was corrected after completion
    edited_duration: str | None
    run_by: str
    run_by_id: str
    status: str  # Passed, Failed, Blocked, Undetermined, Not Run, In Progress
    steps: tuple[StepResult, ...]
    cause_id: str | None = None


class PerfectoWorld(Protocol):
    """One Perfecto cloud. `test_runs(day)` are those whose true start lies in that UTC day, by start."""

    connection: str

    def test_runs(self, day: date) -> Sequence[TestRun]: ...
    def test_run(self, test_run_id: str) -> TestRun | None: ...
    def steps(self, run: TestRun) -> Sequence[Step]: ...
    def devices(self, at: int | None = None) -> Sequence[Device]:
        """The fleet as it is at that instant; on the last day, unless told otherwise."""
        ...

    def device_state(self, device_id: str, at: int) -> str:
        """CONNECTED, NOT_CONNECTED, ERROR or MAINTENANCE at that instant; whether it is busy follows from runs."""
        ...

    def reservations(self, start: int, end: int) -> Sequence[Reservation]: ...
    def first_day(self) -> date: ...
    def last_day(self) -> date: ...


class HclWorld(Protocol):
    """One HCL DevOps Test Server."""

    connection: str

    def project_ids(self) -> Sequence[str]: ...
    def executions(self, project_id: str, day: date) -> Sequence[ServerExecution]:
        """Those scheduled on that UTC day."""
        ...

    def agents(self) -> Sequence[Agent]: ...
    def agent_state(self, agent_id: int, at: int) -> tuple[str, int, int]:
        """(AVAILABLE | BUSY | LOST, active engines, last contact) at that instant."""
        ...

    def docker_hosts(self) -> Sequence[DockerHost]: ...
    def docker_host_status(self, host_id: int, at: int) -> tuple[str, str | None]:
        """(status, reason) at that instant."""
        ...


class EnterpriseTesterWorld(Protocol):
    """One Enterprise Tester server."""

    connection: str

    def projects(self) -> Sequence[Project]: ...
    def packages(self, project_id: str) -> Sequence[Package]: ...
    def assignments(self, project_id: str) -> Sequence[Assignment]: ...
    def script_runs(self, assignment_id: str) -> Sequence[ScriptRun]:
        """All of an assignment's runs, newest first."""
        ...


class World(Protocol):
    """Everything one lab serves. The default world has one cloud of each vendor; histories add Perfecto clouds."""

    perfecto: Sequence[PerfectoWorld]
    hcl: Sequence[HclWorld]
    enterprise_tester: Sequence[EnterpriseTesterWorld]

    def parameters(self) -> dict[str, object]:
        """What makes this world as hard as it is, printed when the lab starts."""
        ...

    def write_truth(self, folder: str) -> None:
        """`tests.parquet`, `device_occupancy.parquet`, `failures.parquet`, `outages.parquet`."""
        ...
