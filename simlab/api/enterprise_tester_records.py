"""Enterprise Tester's entities as its API shows them at a given time.

Optional keys come and go as they do between the vendor's versions; `Self` names a host that no client can reach.
"""

from __future__ import annotations

from simlab.api.answers import draw
from simlab.clock import DAY, SECOND, iso
from simlab.world.model import Assignment, Package, Project, ScriptRun, StepResult

SELF = "http://localhost/api"
EMPTY_GUID = "00000000-0000-0000-0000-000000000000"
STALE_BY = 90 * SECOND
RUN_EXPANDS = ("Assignment", "StepResults", "Widgets", "FieldValues")
ASSIGNMENT_EXPANDS = ("Package", "Runs", "LastRun", "Script")
PACKAGE_EXPANDS = (
    "Children",
    "Parent",
    "Project",
    "AutomatedTestAssignments",
    "ScriptAssignments",
    "AgileRuns",
)
Record = dict[str, object]


def is_completed(run: ScriptRun, now: int) -> bool:
    """True when the run is over; some never are."""
    return run.status != "In Progress" and run.completed_at <= now


def run_status(run: ScriptRun, now: int) -> str:
    """The run's status that is shown."""
    return run.status if is_completed(run, now) else "In Progress"


def last_updated_at(run: ScriptRun, now: int) -> int:
    """When the run last changed. One edit in six leaves it as it was, as nothing says that each must move it."""
    if run.edited_at is not None and run.edited_at <= now and draw(run.id, "silent edit", 6):
        return run.edited_at
    return run.completed_at if is_completed(run, now) else run.created_at


def script_run(
    run: ScriptRun, now: int, expand: frozenset[str], assignment: Assignment | None = None
) -> Record:
    """A script run; what was expanded is no longer listed in `Expands`."""
    completed = is_completed(run, now)
    record: Record = {"Id": run.id}
    duration = _duration(run, now, completed)
    if duration is not None:
        record["ActualDuration"] = duration
    record |= {
        "ScriptId": run.script_id,
        "ScriptVersion": run.script_version,
        "AssignmentId": run.assignment_id,
        "CreatedAt": iso(run.created_at),
        "LastUpdatedAt": iso(last_updated_at(run, now)),
        "CreatedById": run.run_by_id,
        "CreatedBy": run.run_by,
        "RunById": run.run_by_id,
        "RunBy": run.run_by,
        "LastUpdatedById": run.run_by_id,
        "LastUpdatedBy": run.run_by,
        "Status": run_status(run, now),
    }
    if draw(run.id, "version", 4):
        record["Completed"] = completed
    offered = RUN_EXPANDS if draw(run.assignment_id, "expands", 3) else RUN_EXPANDS[:2]
    record["Expands"] = [name for name in offered if name not in expand]
    if "StepResults" in expand:
        shown_run_id = EMPTY_GUID if draw(run.id, "run id", 2) else run.id
        record["StepResults"] = [step_result(step, shown_run_id, completed) for step in run.steps]
    if "Assignment" in expand and assignment is not None:
        record["Assignment"] = script_assignment(assignment, run_status(run, now), frozenset(), None)
    if "Widgets" in expand and "Widgets" in offered:
        record["Widgets"] = []
    if "FieldValues" in expand and "FieldValues" in offered:
        record["FieldValues"] = {"Browser": ("Chrome", "Safari", "Edge")[draw(run.id, "browser", 3)]}
    record["Self"] = f"{SELF}/scriptrun/{run.id}"
    if draw(run.id, "links", 5) == 0:
        record["Links"] = [{"Href": f"{SELF}/scriptassignment/{run.assignment_id}", "Rel": "Assignment"}]
    return record


def stale_twin(
    run: ScriptRun, now: int, expand: frozenset[str], assignment: Assignment | None = None
) -> Record:
    """A second item with the same Id, as the vendor's own sample shows: the run as if it were still in progress."""
    created_at = max(run.created_at - STALE_BY, run.created_at // DAY * DAY)
    record = script_run(run, min(now, run.created_at), expand, assignment)
    return record | {"CreatedAt": iso(created_at), "LastUpdatedAt": iso(created_at)}


def _duration(run: ScriptRun, now: int, completed: bool) -> str | None:
    if not completed:
        return (None, "", "5 minutes", None)[draw(run.id, "duration", 4)]
    if run.edited_at is not None and run.edited_at <= now:
        return run.edited_duration
    return run.actual_duration


def step_result(step: StepResult, run_id: str, completed: bool) -> Record:
    """One step of a run. `RunId` is often the empty GUID: only the parent tells whose it is."""
    return {
        "RunId": run_id,
        "Id": step.id,
        "Description": step.description,
        "Data": step.data,
        "Notes": step.notes if completed else None,
        "ExpectedResult": step.expected_result,
        "ActualResult": step.actual_result if completed else None,
        "Outcome": step.outcome if completed else "NotRun",
        "HasIncidents": completed and step.outcome == "Failed" and draw(step.id, "incident", 3) == 0,
        "HasAttachments": completed and draw(step.id, "attachment", 10) == 0,
        "Self": f"{SELF}/stepresult/{step.id}",
    }


def script_assignment(
    assignment: Assignment, status: str, expand: frozenset[str], package: Package | None
) -> Record:
    """A script assigned to a tester. It names no project: that follows from the package."""
    record: Record = {
        "Id": assignment.id,
        "ScriptId": assignment.script_id,
        "Name": assignment.name,
        "Status": status,
        "AssignedTo": assignment.assigned_to,
        "AssignedToId": assignment.assigned_to_id,
        "PackageId": assignment.package_id,
    }
    if "Package" in expand and package is not None:
        record["Package"] = execution_package(package)
    record["Expands"] = [name for name in ASSIGNMENT_EXPANDS if name not in expand]
    record["Self"] = f"{SELF}/scriptassignment/{assignment.id}"
    return record


def execution_package(package: Package) -> Record:
    """An execution package; the root has no ParentId."""
    record: Record = {"Id": package.id}
    if package.parent_id is not None:
        record["ParentId"] = package.parent_id
    return record | {
        "ProjectId": package.project_id,
        "Name": package.name,
        "Stereotype": "Package",
        "OrderNumber": package.order_number,
        "Expands": list(PACKAGE_EXPANDS),
        "Self": f"{SELF}/executionpackage/{package.id}",
    }


def project(project_: Project) -> Record:
    """A project, with the working time that its durations in days and weeks are meant in."""
    record: Record = {
        "Id": project_.id,
        "Name": project_.name,
        "OrganisationId": project_.organisation_id,
        "Slug": project_.slug,
    }
    if draw(project_.id, "dates", 2):
        record |= {"StartDate": "2024-01-08T00:00:00Z", "EstimatedEndDate": None}
    return record | {
        "TimeTrackingConfiguration": {
            "HoursPerDay": project_.hours_per_day,
            "DaysPerWeek": project_.days_per_week,
        },
        "Expands": ["Organisation", "Category"],
        "Self": f"{SELF}/project/{project_.id}",
    }
