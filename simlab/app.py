"""The lab's routes: one set per server of the world, below its own prefix."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from simlab.api import enterprise_tester, perfecto_reporting
from simlab.api.answers import Refusal, json_answer
from simlab.api.perfecto_cloud import PerfectoCloud
from simlab.clock import Clock
from simlab.connections import enterprise_tester_prefix, perfecto_prefix
from simlab.request_log import RequestLog
from simlab.world.model import World


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101 - registered for this class only
    return error.response


def build_app(
    world: World, clouds: Sequence[PerfectoCloud], clock: Clock, middleware: Sequence[Middleware] = ()
) -> tuple[ASGIApp, RequestLog]:
    """The app, and the log of what is asked of it. `middleware` comes between the log and the servers."""
    routes: list[BaseRoute] = [
        Mount(perfecto_prefix(cloud.connection), routes=perfecto_reporting.routes(cloud)) for cloud in clouds
    ]
    for et_world in world.enterprise_tester:
        server = enterprise_tester.EnterpriseTester(et_world, clock)
        routes.append(
            Mount(enterprise_tester_prefix(et_world.connection), routes=enterprise_tester.routes(server))
        )

    async def requests(_request: Request) -> Response:
        return json_answer(list(log))

    routes.append(Route("/_lab/requests", requests))
    log = RequestLog(
        Starlette(routes=routes, middleware=middleware, exception_handlers={Refusal: _refused}), clock
    )
    return log, log
