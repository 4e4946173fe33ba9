"""Perfecto's older `/services`: handsets, reservations, script executions, by GET query or POST form alike.

The token is the parameter `securityToken`. Errors are `{"errorMessage": ...}`, or the same in XML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simlab.api.perfecto_cloud import PerfectoCloud
from simlab.api.perfecto_handsets import FILTERS, Handsets, info_as_xml, list_as_xml, matches
from simlab.api.perfecto_reservations import RESERVATION_PARAMETERS, reservations
from simlab.api.perfecto_script_executions import EXECUTION_PARAMETERS, ScriptExecutions
from simlab.api.perfecto_service_answers import ServiceError, error_answer, service_answer

COMMON = frozenset(("operation", "securityToken", "user", "password", "responseFormat", "admin"))


@dataclass(frozen=True)
class Call:
    """One call: the user it is made as, its parameters, and the resource's id if the path names one."""

    user: str
    parameters: Mapping[str, str]
    item: str | None
    now: int

    def answer(self, value: dict[str, object]) -> Response:
        """The value in the format that `responseFormat` asks for; JSON unless it says XML."""
        return service_answer(value, self.parameters.get("responseFormat", "").lower() == "xml")


@dataclass(frozen=True)
class Operation:
    what: str  # as error messages name it
    parameters: frozenset[str]
    answer: Callable[[Call], Response]


class Services:
    """Everything below `/services` of one cloud."""

    def __init__(self, cloud: PerfectoCloud) -> None:
        self._cloud = cloud
        self._handsets = Handsets(cloud)
        executions = ScriptExecutions(cloud)
        # resource, whether the path names one item, operation
        self._operations: dict[tuple[str, bool, str], Operation] = {
            ("handsets", False, "list"): Operation(
                "get handsets list", frozenset((*FILTERS, "status", "availableTo")), self._list_handsets
            ),
            ("handsets", True, "info"): Operation("get handset info", frozenset(), self._handset_info),
            ("reservations", False, "list"): Operation(
                "get reservations list",
                RESERVATION_PARAMETERS,
                lambda call: call.answer(reservations(cloud, call.user, call.parameters, call.now)),
            ),
            ("executions", False, "list"): Operation(
                "get execution list",
                EXECUTION_PARAMETERS,
                lambda call: call.answer(executions.list(call.user, call.parameters, call.now)),
            ),
            ("executions", True, "status"): Operation(
                "get execution status",
                frozenset(),
                lambda call: call.answer(executions.status(call.item or "", call.user, call.now)),
            ),
        }

    async def call(self, request: Request) -> Response:
        """Any call: parameters, token, resource, operation, unknown parameters, in the order of the vendor's checks."""
        parameters = dict(request.query_params)
        if request.method == "POST":
            parameters |= dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        resource, item = request.path_params["resource"], request.path_params.get("item")
        is_xml = resource == "handsets" or parameters.get("responseFormat", "").lower() == "xml"
        user = self._cloud.user_of(parameters.get("securityToken", ""))
        if user is None:
            return error_answer(401, "Authentication is required and has failed", is_xml)
        if not any(known == resource for known, _, _ in self._operations):
            return error_answer(400, f"Could not find resource '{resource}'", is_xml)
        name = parameters.get("operation", "")
        operation = self._operations.get((resource, item is not None, name))
        if operation is None:
            return error_answer(400, f"Could not find operation '{name}' for resource '{resource}'", is_xml)
        unknown = sorted(set(parameters) - COMMON - operation.parameters)
        try:
            if unknown:
                raise ServiceError(f"Request contains unknown parameters: [{', '.join(unknown)}]")
            return operation.answer(Call(user, parameters, item, self._cloud.clock.now()))
        except ServiceError as error:
            return error_answer(error.status, f"Failed to {operation.what} - {error}", is_xml)

    def _list_handsets(self, call: Call) -> Response:
        filters = {name: call.parameters[name] for name in (*FILTERS, "status") if name in call.parameters}
        try:
            found = [h for h in self._handsets.all(call.user, call.now) if matches(h, filters)]
        except re.error as error:
            raise ServiceError(f"Invalid expression: {error}") from error
        return Response(list_as_xml(found, call.now), media_type="text/xml")

    def _handset_info(self, call: Call) -> Response:
        wanted = (call.item or "").lower()
        for handset in self._handsets.all(call.user, call.now):
            if str(handset["deviceId"]).lower() == wanted:
                return Response(info_as_xml(handset, call.now), media_type="text/xml")
        raise ServiceError(f"Handset {call.item} wasn't found")


def routes(cloud: PerfectoCloud) -> list[Route]:
    """Routes below the cloud's prefix."""
    services = Services(cloud)
    methods = ["GET", "POST"]
    return [
        Route("/services-host/services/{resource}", services.call, methods=methods),
        Route("/services-host/services/{resource}/{item:path}", services.call, methods=methods),
    ]
