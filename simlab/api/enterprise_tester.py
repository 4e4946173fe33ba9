"""Enterprise Tester's API: projects, packages, assignments and script runs, by OData or by query language."""

from __future__ import annotations

import base64
import binascii
import hmac
import uuid
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simlab.api import enterprise_tester_records as records
from simlab.api.answers import JSON, Refusal, draw, encode
from simlab.api.enterprise_tester_records import Record
from simlab.api.odata import ODataError, compile_filter, order
from simlab.api.tql import TqlError, parse_tql
from simlab.clock import Clock
from simlab.credentials import enterprise_tester_login
from simlab.world.model import Assignment, EnterpriseTesterWorld, Package, ScriptRun

DEFAULT_TOP = 25
RUN_FIELDS = frozenset(
    [
        "Id",
        "ActualDuration",
        "ScriptId",
        "ScriptVersion",
        "AssignmentId",
        "CreatedAt",
        "LastUpdatedAt",
        "CreatedBy",
        "RunBy",
        "LastUpdatedBy",
        "Status",
        "Completed",
    ]
)
PROJECT_FIELDS = frozenset(("Id", "Name", "Slug", "OrganisationId"))
TQL_FIELDS = frozenset(("Id", "Project", "Package", "Name", "Status", "AssignedTo", "RunBy"))
TQL_ORDERS = frozenset(("Name", "CreatedAt", "LastUpdatedAt", "Status", "OrderNumber"))


def answer(
    request: Request, value: object, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A value as JSON; `indent-json=true` spreads it over lines."""
    body = encode(value)
    if request.query_params.get("indent-json") == "true":
        body = msgspec.json.format(body, indent=2)
    return Response(body, status, headers, f"{JSON}; charset=utf-8")


def message(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    """The vendor's error body."""
    return Response(encode({"Message": text}), status, headers, f"{JSON}; charset=utf-8")


class EnterpriseTester:
    """One server."""

    def __init__(self, world: EnterpriseTesterWorld, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self._projects = {project.id.lower(): project for project in world.projects()}
        self._packages: dict[str, Package] = {}
        self._assignments: dict[str, Assignment] = {}
        for project in world.projects():
            self._packages |= {package.id.lower(): package for package in world.packages(project.id)}
            self._assignments |= {a.id.lower(): a for a in world.assignments(project.id)}
        self._assignment_of_run: dict[str, str] = {}
        self._with_twins = self._assignments_with_twins()

    def _assignments_with_twins(self) -> frozenset[str]:
        """One assignment in twelve of those that were ever run, two at least, always the same."""
        ran = [a.id for a in self._assignments.values() if self._world.script_runs(a.id)]
        ran.sort(key=lambda assignment_id: draw(assignment_id, "twin", 1 << 32))
        return frozenset(ran[: max(2, len(ran) // 12)])

    def _authorise(self, request: Request) -> None:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            login = base64.b64decode(encoded).decode() if scheme.lower() == "basic" else ""
        except (binascii.Error, UnicodeDecodeError):
            login = ""
        expected = ":".join(enterprise_tester_login(self._world.connection))
        if not hmac.compare_digest(login.encode(), expected.encode()):
            challenge = {"WWW-Authenticate": 'Basic realm="Enterprise Tester"'}
            raise Refusal(message(401, "You are not authenticated.", challenge))

    def _runs(self, assignment_id: str) -> list[ScriptRun]:
        now = self._clock.now()
        return [run for run in self._world.script_runs(assignment_id) if run.created_at <= now]

    def _assignment(self, request: Request) -> Assignment:
        found = self._assignments.get(request.path_params["id"].lower())
        if found is None:
            raise Refusal(message(404, "The script assignment does not exist."))
        return found

    def _assignment_record(self, assignment: Assignment, expand: frozenset[str]) -> Record:
        now = self._clock.now()
        runs = self._runs(assignment.id)
        status = records.run_status(runs[0], now) if runs else "Not Run"
        record = records.script_assignment(
            assignment, status, expand, self._packages.get(assignment.package_id.lower())
        )
        if "LastRun" in expand and runs:
            record["LastRun"] = records.script_run(runs[0], now, frozenset())
        if "Runs" in expand:
            record["Runs"] = [records.script_run(run, now, frozenset()) for run in runs]
        return record

    def _run_items(self, assignment: Assignment, expand: frozenset[str]) -> list[Record]:
        """The runs of an assignment; in a few assignments a completed one comes twice, with different content."""
        now = self._clock.now()
        runs = self._runs(assignment.id)
        items = [records.script_run(run, now, expand, assignment) for run in runs]
        if assignment.id in self._with_twins:
            for position, run in enumerate(runs):
                if records.is_completed(run, now):
                    after = draw(assignment.id, "twin after", 2)
                    items.insert(position + after, records.stale_twin(run, now, expand, assignment))
                    break
        return items

    async def projects(self, request: Request) -> Response:
        """All projects the user can see."""
        self._authorise(request)
        return _odata(request, [records.project(p) for p in self._projects.values()], PROJECT_FIELDS)

    async def project(self, request: Request) -> Response:
        """One project."""
        self._authorise(request)
        found = self._projects.get(request.path_params["id"].lower())
        if found is None:
            return message(404, "The project does not exist.")
        return answer(request, records.project(found))

    async def script_assignments(self, request: Request) -> Response:
        """Assignments by query language."""
        self._authorise(request)
        expand = _expand(request)
        items = [(a, self._assignment_record(a, expand)) for a in self._assignments.values()]
        return _tql(request, [(record, self._words(a, record)) for a, record in items])

    async def script_assignment(self, request: Request) -> Response:
        """One assignment."""
        self._authorise(request)
        return answer(request, self._assignment_record(self._assignment(request), _expand(request)))

    async def execution_packages(self, request: Request) -> Response:
        """Execution packages by query language."""
        self._authorise(request)
        items = []
        for package in self._packages.values():
            record = records.execution_package(package)
            project = self._projects[package.project_id.lower()]
            items.append((record, {"Project": (project.name, project.id)}))
        return _tql(request, items)

    async def execution_package(self, request: Request) -> Response:
        """One execution package."""
        self._authorise(request)
        found = self._packages.get(request.path_params["id"].lower())
        if found is None:
            return message(404, "The execution package does not exist.")
        record = records.execution_package(found)
        expand = _expand(request)
        if "ScriptAssignments" in expand:
            record["ScriptAssignments"] = [
                self._assignment_record(a, frozenset())
                for a in self._assignments.values()
                if a.package_id == found.id
            ]
        record["Expands"] = [name for name in records.PACKAGE_EXPANDS if name not in expand]
        return answer(request, record)

    async def execution_package_children(self, request: Request) -> Response:
        """The packages right below one."""
        self._authorise(request)
        parent_id = request.path_params["id"].lower()
        if parent_id not in self._packages:
            return message(404, "The execution package does not exist.")
        children = [p for p in self._packages.values() if (p.parent_id or "").lower() == parent_id]
        return _odata(
            request, [records.execution_package(child) for child in children], frozenset(("Id", "Name"))
        )

    async def assignment_runs(self, request: Request) -> Response:
        """The runs of one assignment."""
        self._authorise(request)
        return _odata(request, self._run_items(self._assignment(request), _expand(request)), RUN_FIELDS)

    async def create_run(self, request: Request) -> Response:
        """Answers 200 with the incomplete run if there is one, else 201 with a new one, which the lab does not keep."""
        self._authorise(request)
        assignment = self._assignment(request)
        now = self._clock.now()
        expand = _expand(request)
        runs = self._runs(assignment.id)
        run = next((run for run in runs if not records.is_completed(run, now)), None)
        status = 200
        if run is None:
            status = 201
            run = ScriptRun(
                id=str(uuid.uuid5(uuid.UUID(assignment.id), str(now))),
                assignment_id=assignment.id,
                script_id=assignment.script_id,
                script_version=1,
                created_at=now,
                completed_at=now,
                actual_duration=None,
                edited_at=None,
                edited_duration=None,
                run_by=assignment.assigned_to,
                run_by_id=assignment.assigned_to_id,
                status="In Progress",
                steps=runs[0].steps if runs else (),
            )
        record = records.script_run(run, now, expand, assignment)
        # The vendor's sample still lists what it expanded, and shows no run id on the steps.
        record["Expands"] = list(records.RUN_EXPANDS[:2])
        if "StepResults" in expand:
            record["StepResults"] = [records.step_result(s, records.EMPTY_GUID, False) for s in run.steps]
        return answer(request, record, status, {"Location": f"{records.SELF}/scriptrun/{run.id}"})

    async def script_run(self, request: Request) -> Response:
        """One run by its id."""
        self._authorise(request)
        run_id = request.path_params["id"].lower()
        if run_id not in self._assignment_of_run:
            self._assignment_of_run = {
                run.id.lower(): assignment_id
                for assignment_id in self._assignments
                for run in self._runs(assignment_id)
            }
        assignment = self._assignments.get(self._assignment_of_run.get(run_id, ""))
        if assignment is None:
            return message(404, "The script run does not exist.")
        run = next(run for run in self._runs(assignment.id) if run.id.lower() == run_id)
        return answer(request, records.script_run(run, self._clock.now(), _expand(request), assignment))

    async def script_runs(self, request: Request) -> Response:
        """All runs the user can see, by query language."""
        self._authorise(request)
        expand = _expand(request)
        return _tql(
            request,
            [
                (record, self._words(assignment, record))
                for assignment in self._assignments.values()
                for record in self._run_items(assignment, expand)
            ],
        )

    def _words(self, assignment: Assignment, record: Record) -> dict[str, tuple[str, ...]]:
        """What the query language compares beyond the record's own fields."""
        project = self._projects[assignment.project_id.lower()]
        package = self._packages[assignment.package_id.lower()]
        return {
            "Project": (project.name, project.id),
            "Package": (package.name, package.id),
            "Name": (assignment.name,),
            "AssignedTo": (assignment.assigned_to,),
            "RunBy": (str(record.get("RunBy", "")),),
        }


def _expand(request: Request) -> frozenset[str]:
    text = request.query_params.get("$expand", "")
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def _number(request: Request, *names: str) -> int | None:
    text = next((request.query_params[name] for name in names if name in request.query_params), None)
    if text is None:
        return None
    if not text.isdigit():
        raise Refusal(message(400, f"{names[0]} must be a number of 0 or more."))
    return int(text)


def _odata(request: Request, items: list[Record], fields: frozenset[str]) -> Response:
    """A collection; Skip, Top and Total only when `$inlinecount=allpages` asks for them."""
    try:
        if "$filter" in request.query_params:
            keep: Callable[[Record], bool] = compile_filter(request.query_params["$filter"], fields)
            items = [item for item in items if keep(item)]
        if "$orderby" in request.query_params:
            items = order(items, request.query_params["$orderby"], fields)
    except ODataError as error:
        return message(400, f"The query is not valid: {error}.")
    skip, top = _number(request, "$skip") or 0, _number(request, "$top", "$take")
    top = DEFAULT_TOP if top is None else top
    counts: Record = {}
    if request.query_params.get("$inlinecount") == "allpages":
        counts = {"Skip": skip, "Top": top, "Total": len(items)}
    return answer(request, counts | {"Items": items[skip : skip + top]})


def _tql(request: Request, items: list[tuple[Record, dict[str, tuple[str, ...]]]]) -> Response:
    """A collection by query language; Skip, Top and Total are always there."""
    try:
        query = parse_tql(request.query_params.get("tql", ""), TQL_FIELDS, TQL_ORDERS)
    except TqlError as error:
        return message(400, f"The query is not valid: {error}.")
    found = [
        record
        for record, words in items
        if all(c.holds(words.get(c.field) or (str(record.get(c.field, "")),)) for c in query.conditions)
    ]
    if query.order_by is not None:
        found.sort(key=lambda record: str(record.get(query.order_by or "", "")), reverse=query.is_descending)
    skip, top = _number(request, "$skip") or 0, _number(request, "$top", "$take")
    top = DEFAULT_TOP if top is None else top
    return answer(request, {"Skip": skip, "Top": top, "Total": len(found), "Items": found[skip : skip + top]})


def routes(server: EnterpriseTester) -> list[Route]:
    """Routes below the application's root."""
    return [
        Route("/api/projects", server.projects),
        Route("/api/project/{id}", server.project),
        Route("/api/executionpackages", server.execution_packages),
        Route("/api/executionpackage/{id}", server.execution_package),
        Route("/api/executionpackage/{id}/children", server.execution_package_children),
        Route("/api/scriptassignments", server.script_assignments),
        Route("/api/scriptassignment/{id}", server.script_assignment),
        Route("/api/scriptassignment/{id}/runs", server.assignment_runs),
        Route("/api/scriptassignment/{id}/runs", server.create_run, methods=["POST"]),
        Route("/api/scriptrun/{id}", server.script_run),
        Route("/api/scriptruns", server.script_runs),
    ]
