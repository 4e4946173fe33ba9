"""A world of a few hand-made things, so that a test can say exactly what the lab has to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import NAMESPACE_URL, uuid5

from simlab.world.model import (
    Agent,
    Assignment,
    Command,
    Device,
    DockerHost,
    Package,
    Project,
    Reservation,
    ScriptRun,
    ServerExecution,
    Step,
    StepResult,
    TestRun,
)

FIRST_DAY = date(2026, 3, 1)
LAST_DAY = date(2026, 3, 14)
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


def at(text: str) -> int:
    """Milliseconds of `2026-03-02 10:00` or the like, UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


NOON = at("2026-03-02 12:00")

PHONE = Device(
    device_id="F3C05B44",
    device_type="MOBILE",
    manufacturer="Samsung",
    model="Galaxy S8+",
    os="ANDROID",
    os_version="8.0.0",
    resolution="1440x2960",
    location="NA-US-BOS",
    description="Team Checkout, floor 2",
    firmware="8.0.0",
    operator="AT&T",
    operator_country="United States of America",
    imei="000000000000001",
    imsi="000000000000002",
    phone_number="+1-555-0100",
    wifi_mac_address="02:00:00:00:00:01",
)
TABLET = Device(
    device_id="00008101-000C24241A20001E",
    device_type="MOBILE",
    manufacturer="Apple",
    model="iPad Air",
    os="IOS",
    os_version="15.4",
    resolution="2048x1536",
    location="EU Frankfurt",
    description="",
    firmware="",
    operator="",
    operator_country="",
    imei="",
    imsi="",
    phone_number="",
    wifi_mac_address="",
)
SIMULATOR = Device(
    device_id="SIM-IPHONE-15-1",
    device_type="SIMULATOR",
    manufacturer="Apple",
    model="iPhone-15",
    os="IOS",
    os_version="17.0",
    resolution="1179x2556",
    location="EU Frankfurt",
    description="",
    firmware="",
    operator="",
    operator_country="",
    imei="",
    imsi="",
    phone_number="",
    wifi_mac_address="",
)
DESKTOP = Device(
    device_id="1_2548D-CA0F",
    device_type="DESKTOP",
    manufacturer="",
    model="",
    os="WINDOWS",
    os_version="10",
    resolution="1024x768",
    location="US East",
    description="",
    firmware="",
    operator="",
    operator_country="",
    imei="",
    imsi="",
    phone_number="",
    wifi_mac_address="",
    browser_type="INTERNET_EXPLORER",
    browser_version="latest (11)",
)


def test_run(number: int, started_at: int, **changes: object) -> TestRun:
    """A run of one minute on the phone that failed, listed 20 seconds after its end."""
    values: dict[str, object] = {
        "id": f"{number:024x}",
        "external_id": f"ann@lab.example_RemoteWebDriver_26-03-02_12_00_00_{number}",
        "name": "checkout pays",
        "owner": "ann@lab.example",
        "started_at": started_at,
        "ended_at": started_at + MINUTE,
        "status": "FAILED",
        "devices": (PHONE,),
        "visible_at": started_at + MINUTE + 20 * SECOND,
        "project_name": "Shop",
        "project_version": "1.0",
        "job_name": "nightly",
        "job_number": 45,
        "job_branch": "main",
        "message": "NoSuchElementException: <pay> & 'go' not found\n\tat Checkout.java:12",
        "failure_reason_name": "Element not found",
        "tags": ("Native", "Java", "Sample"),
        "parameters": (("amount", "5"),),
        "custom_fields": (("team", "checkout"), ("lane", None)),
        "automation_framework": "SELENIUM",
        "trigger_type": "CI/CD",
    } | changes
    if "ended_at" in changes and "visible_at" not in changes and values["ended_at"] is not None:
        values["visible_at"] = values["ended_at"] + 20 * SECOND  # type: ignore[operator]
    return TestRun(**values)  # type: ignore[arg-type]


test_run.__test__ = False  # type: ignore[attr-defined] - a maker of runs, not a test


@dataclass
class TinyPerfecto:
    """A cloud with the given runs."""

    runs: Sequence[TestRun] = ()
    connection: str = "acme"
    fleet: Sequence[Device] = (PHONE, TABLET, SIMULATOR, DESKTOP)
    states: dict[str, str] = field(default_factory=dict)
    planned: Sequence[Reservation] = ()

    def test_runs(self, day: date) -> Sequence[TestRun]:
        return [run for run in self.runs if datetime.fromtimestamp(run.started_at / 1_000, UTC).date() == day]

    def test_run(self, test_run_id: str) -> TestRun | None:
        return next((run for run in self.runs if run.id == test_run_id), None)

    def steps(self, run: TestRun) -> Sequence[Step]:
        start = run.started_at
        opened = Command("Open application", "SUCCESS", start, start + 5 * SECOND)
        typed = Command(
            "type",
            "SUCCESS",
            start + 10 * SECOND,
            start + 12 * SECOND,
            parameters=(("text", "***", "SENSITIVE"), ("field", "name", None)),
        )
        failed = Command(
            "Find element",
            "FAILURE",
            start + 30 * SECOND,
            start + 50 * SECOND,
            "Stacktrace:\n0...",
            has_screenshot=True,
        )
        more = tuple(
            Command(f"Check {n}", "SUCCESS", start + 50 * SECOND, start + 51 * SECOND) for n in range(60)
        )
        return [
            Step(None, None, None, (opened,)),
            Step("Test step", start + 10 * SECOND, start + 50 * SECOND, (typed, failed, *more)),
            Step("Clean up", start + 55 * SECOND, start + 58 * SECOND, ()),
        ]

    def devices(self, at: int | None = None) -> Sequence[Device]:  # noqa: ARG002
        return self.fleet

    def device_state(self, device_id: str, at: int) -> str:  # noqa: ARG002
        return self.states.get(device_id, "CONNECTED")

    def reservations(self, start: int, end: int) -> Sequence[Reservation]:
        return [r for r in self.planned if r.started_at < end and r.ended_at > start]

    def first_day(self) -> date:
        return FIRST_DAY

    def last_day(self) -> date:
        return LAST_DAY


@dataclass
class TinyHcl:
    """A test server with the given executions."""

    all_executions: Sequence[ServerExecution] = ()
    connection: str = "ots"

    def project_ids(self) -> Sequence[str]:
        return ("1050",)

    def executions(self, project_id: str, day: date) -> Sequence[ServerExecution]:
        return [
            execution
            for execution in self.all_executions
            if execution.project_id == project_id
            and datetime.fromtimestamp(execution.scheduled_at / 1_000, UTC).date() == day
        ]

    def agents(self) -> Sequence[Agent]:
        return [
            Agent(
                1, "Agent-One.LAB.example", "192.0.2.1", "lab-admin", "Linux", "amd64", 17179869184, "10.5.4"
            ),
            Agent(
                2, "agent-two.lab.example", "192.0.2.2", "ann", "Windows 11", "amd64", 34359738368, "10.5.3"
            ),
        ]

    def agent_state(self, agent_id: int, at: int) -> tuple[str, int, int]:
        return ("BUSY", 3, at - 4 * SECOND) if agent_id == 1 else ("LOST", 0, at - HOUR)

    def docker_hosts(self) -> Sequence[DockerHost]:
        return [
            DockerHost(
                7,
                "docker one",
                "docker-one.lab.example",
                "192.0.2.7",
                "2376",
                "lab-admin",
                "synthetic-user",
                "synthetic-ca-cert",
                "synthetic-client-cert",
                "synthetic-client-key",
            )
        ]

    def docker_host_status(self, host_id: int, at: int) -> tuple[str, str | None]:  # noqa: ARG002
        return ("ERROR", "connection refused") if at % DAY < HOUR else ("OK", None)


def guid(name: str) -> str:
    """A fixed GUID for a name."""
    return str(uuid5(NAMESPACE_URL, name))


SHOP = Project(guid("shop"), "Shop", guid("organisation"), "SHOP", 8, 5)
BANK = Project(guid("bank"), "Bank", guid("organisation"), "BANK", 7, 5)
ROOT = Package(guid("root"), SHOP.id, None, "Release 1", 1)
CHILD = Package(guid("child"), SHOP.id, ROOT.id, "Checkout", 2)


def assignment(name: str) -> Assignment:
    """A script of the Shop project, assigned to joeb."""
    return Assignment(guid(name), guid(name + "/script"), name, SHOP.id, CHILD.id, "joeb", guid("joeb"))


def script_run(name: str, of: Assignment, created_at: int, **changes: object) -> ScriptRun:
    """A run of two steps that failed in five minutes."""
    step = StepResult(guid(name + "/1"), "Do this", None, None, "Expect that", "It did", "Passed")
    other = StepResult(guid(name + "/2"), "Then this", "x", "slow", "Expect more", "It did not", "Failed")
    values: dict[str, object] = {
        "id": guid(name),
        "assignment_id": of.id,
        "script_id": of.script_id,
        "script_version": 2,
        "created_at": created_at,
        "completed_at": created_at + 5 * MINUTE,
        "actual_duration": "5 minutes",
        "edited_at": None,
        "edited_duration": None,
        "run_by": "joeb",
        "run_by_id": guid("joeb"),
        "status": "Failed",
        "steps": (step, other),
    }
    return ScriptRun(**(values | changes))  # type: ignore[arg-type]


@dataclass
class TinyEnterpriseTester:
    """A server with two projects; the assignments are Shop's."""

    runs: Sequence[ScriptRun] = ()
    assigned: Sequence[Assignment] = ()
    connection: str = "et"

    def projects(self) -> Sequence[Project]:
        return (SHOP, BANK)

    def packages(self, project_id: str) -> Sequence[Package]:
        return (ROOT, CHILD) if project_id == SHOP.id else ()

    def assignments(self, project_id: str) -> Sequence[Assignment]:
        return self.assigned if project_id == SHOP.id else ()

    def script_runs(self, assignment_id: str) -> Sequence[ScriptRun]:
        runs = [run for run in self.runs if run.assignment_id == assignment_id]
        return sorted(runs, key=lambda run: run.created_at, reverse=True)


@dataclass
class TinyWorld:
    """One server of each kind at most."""

    perfecto: Sequence[TinyPerfecto] = ()
    hcl: Sequence[TinyHcl] = ()
    enterprise_tester: Sequence[TinyEnterpriseTester] = ()

    def parameters(self) -> dict[str, object]:
        return {"size": "tiny"}

    def write_truth(self, folder: str) -> None:
        raise NotImplementedError("a tiny world's truth is in the test that made it")
