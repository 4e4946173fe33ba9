"""The lab's routes: one set per server of the world, below its own prefix."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from simlab.api import (
    enterprise_tester,
    hcl_test_server,
    perfecto_lab,
    perfecto_live,
    perfecto_reporting,
    perfecto_services,
)
from simlab.api.answers import Refusal, json_answer
from simlab.api.perfecto_cloud import PerfectoCloud
from simlab.clock import Clock
from simlab.connections import enterprise_tester_prefix, hcl_prefix, perfecto_prefix
from simlab.faults import Faults
from simlab.request_log import RequestLog
from simlab.world.model import World


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101 - registered for this class only
    return error.response


PERFECTO_APIS = (perfecto_reporting, perfecto_live, perfecto_lab, perfecto_services)


def build_app(
    world: World,
    clouds: Sequence[PerfectoCloud],
    clock: Clock,
    days: tuple[date, date],
    faults: Faults,
) -> RequestLog:
    """The app, inside the log of what is asked of it. `days`: the world's first and last.

    Faults come between the log and the servers, so that the log holds what was really asked.
    """
    routes: list[BaseRoute] = [
        Mount(
            perfecto_prefix(cloud.connection), routes=[r for api in PERFECTO_APIS for r in api.routes(cloud)]
        )
        for cloud in clouds
    ]
    for hcl_world in world.hcl:
        test_server = hcl_test_server.TestServer(hcl_world, clock, *days)
        routes.append(Mount(hcl_prefix(hcl_world.connection), routes=hcl_test_server.routes(test_server)))
    for et_world in world.enterprise_tester:
        et_server = enterprise_tester.EnterpriseTester(et_world, clock)
        prefix = enterprise_tester_prefix(et_world.connection)
        routes.append(Mount(prefix, routes=enterprise_tester.routes(et_server)))

    async def requests(_request: Request) -> Response:
        return json_answer(list(log))

    async def struck(_request: Request) -> Response:
        return json_answer(faults.record())

    routes += [Route("/_lab/requests", requests), Route("/_lab/faults", struck)]
    servers = Starlette(routes=routes, middleware=faults.middleware, exception_handlers={Refusal: _refused})
    log = RequestLog(servers, clock)
    return log
