"""HCL DevOps Test Server: executions of a project, agents, docker hosts.

Lists are bare arrays and errors are plain text, but for a bad token, which is `{"code": 401}`.
"""

from __future__ import annotations

import base64
import binascii
from datetime import date

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simlab.api.answers import Refusal, draw, json_answer, text_answer
from simlab.api.hcl_executions import ExecutionList, ends_at, execution_record, status_at
from simlab.api.hcl_tokens import Tokens
from simlab.clock import DAY, Clock
from simlab.world.model import Agent, DockerHost, HclWorld, ServerExecution

LOG_KEPT = 10 * DAY
POLL_INTERVAL = 5_000
Record = dict[str, object]


class TestServer:
    """One server."""

    __test__ = False

    def __init__(self, world: HclWorld, clock: Clock, first_day: date, last_day: date) -> None:
        self._world = world
        self._clock = clock
        self._base = f"https://{world.connection}.lab.example"
        self._executions = ExecutionList(world, clock, first_day, last_day)
        self.tokens = Tokens(world.connection, clock)

    def _project(self, request: Request) -> str:
        self.tokens.require(request)
        project_id = request.path_params["project_id"]
        if project_id not in self._world.project_ids():
            raise Refusal(text_answer("The project does not exist", 404))
        return project_id

    def _execution(self, request: Request) -> ServerExecution:
        found = self._executions.find(self._project(request), request.path_params["execution_id"])
        if found is None:
            raise Refusal(text_answer("The executionId does not exist or was previously deleted", 404))
        return found

    async def executions(self, request: Request) -> Response:
        """A project's executions: only active ones unless `execution.status` says otherwise."""
        project_id = self._project(request)
        parameters = request.query_params
        with_data = parameters.get("include") == "data"
        now = self._clock.now()
        found = self._executions.matching(project_id, parameters)
        return json_answer([execution_record(execution, self._base, now, with_data) for execution in found])

    async def execution(self, request: Request) -> Response:
        """One execution."""
        with_data = request.query_params.get("include") == "data"
        return json_answer(
            execution_record(self._execution(request), self._base, self._clock.now(), with_data)
        )

    async def log(self, request: Request) -> Response:
        """The container's log: half of it while it runs, 410 once it is gone, 404 before there is one."""
        execution = self._execution(request)
        now = self._clock.now()
        if status_at(execution, now) in ("SCHEDULED", "IN_TRANSITION"):
            return text_answer("The execution has not started", 404)
        if execution.log is None or now >= ends_at(execution) + LOG_KEPT:
            return text_answer("The container log for the execution is no longer available", 410)
        lines = execution.log.splitlines(keepends=True)
        is_over = now >= ends_at(execution)
        return text_answer("".join(lines if is_over else lines[: len(lines) // 2]))

    async def agents(self, request: Request) -> Response:
        """Static agents: the user's own, or with `all=true` everyone's; a project's list says what each matches."""
        if "project_id" in request.path_params:
            self._project(request)
        self.tokens.require(request)
        if "filter" in request.query_params:
            _refuse_unless_base64(request.query_params["filter"])
        agents = list(self._world.agents())
        in_project = "project_id" in request.path_params
        if not in_project and request.query_params.get("all") != "true":
            agents = [agent for agent in agents if agent.owner == agents[0].owner]
        normalizes = request.query_params.get("normalize") == "true"
        records = [self._agent(agent, normalizes) for agent in agents]
        if in_project:
            match = {"matchedCapability": [], "misMatchedCapability": [], "match": True}
            records = [record | {"matchSpecifics": match} for record in records]
        return json_answer(records)

    async def agent(self, request: Request) -> Response:
        """One static agent."""
        self.tokens.require(request)
        for agent in self._world.agents():
            if str(agent.id) == request.path_params["id"]:
                return json_answer(self._agent(agent, request.query_params.get("normalize") == "true"))
        return text_answer("The static agent resource is not found.", 404)

    def _agent(self, agent: Agent, normalizes: bool) -> Record:
        state, engines, contact = self._world.agent_state(agent.id, self._clock.now())
        record: Record = {
            "id": agent.id,
            "hostName": agent.host_name.lower() if normalizes else agent.host_name,
            "ipAddress": agent.ip_address,
            "owner": agent.owner,
            "type": "STATIC",
            "version": agent.version,
            "operatingSystem": agent.operating_system,
            "architecture": agent.architecture,
            "ram": str(agent.ram_bytes),
            "pollInterval": POLL_INTERVAL,
            "engineListSize": engines,
            "contactTime": contact,
            "capabilities": [_capability(agent)],
            "state": state,
        }
        if draw(agent.host_name, "monitored", 2):
            record |= {"licenseType": "FLOATING", "rtbState": state, "rtbContactTime": contact}
        return record

    async def docker_hosts(self, request: Request) -> Response:
        """Remote docker hosts, with the credentials that the vendor's schema has in them."""
        if "project_id" in request.path_params:
            self._project(request)
        self.tokens.require(request)
        return json_answer([_docker_host(host) for host in self._world.docker_hosts()])

    def _host(self, request: Request) -> DockerHost:
        self.tokens.require(request)
        for host in self._world.docker_hosts():
            if str(host.id) == request.path_params["id"]:
                return host
        raise Refusal(text_answer("The remote docker execution host is not found.", 404))

    async def docker_host(self, request: Request) -> Response:
        """One docker host."""
        return json_answer(_docker_host(self._host(request)))

    async def docker_host_status(self, request: Request) -> Response:
        """The last known status of one docker host."""
        host = self._host(request)
        status, reason = self._world.docker_host_status(host.id, self._clock.now())
        record: Record = {"status": status, "info": _docker_info(host)}
        return json_answer(record if reason is None else record | {"reason": reason})


def _refuse_unless_base64(text: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Refusal(text_answer("The filter is not base64", 400)) from None


def _capability(agent: Agent) -> Record:
    value = {
        "id": agent.id * 10 + 1,
        "key": "os",
        "value": agent.operating_system,
        "weight": 1,
        "hidden": False,
    }
    return {
        "id": agent.id * 10,
        "name": "Operating system",
        "key": "operatingSystem",
        "category": "SYSTEM",
        "value": [{"id": agent.id * 10 + 2, "capability": [value]}],
    }


def _docker_host(host: DockerHost) -> Record:
    return {
        "username": host.username,
        "info": _docker_info(host),
        "id": host.id,
        "name": host.name,
        "hostName": host.host_name,
        "ipAddress": host.ip_address,
        "port": host.port,
        "owner": host.owner,
        "type": "REMOTE",
        "projectList": "",
        "teamSpaceList": "",
        "secure": True,
        "caCert": host.ca_cert,
        "clientCert": host.client_cert,
        "clientKey": host.client_key,
    }


def _docker_info(host: DockerHost) -> Record:
    return {
        "server": "Docker Engine - Community",
        "version": "24.0.7",
        "apiVersion": "1.43",
        "goVersion": "go1.20.10",
        "gitCommit": f"{draw(host.name, 'commit', 1 << 28):07x}",
        "buildDate": "2023-10-26T09:08:02Z",
        "osArch": "linux/amd64",
        "experimental": False,
    }


def routes(server: TestServer) -> list[Route]:
    """Routes below `/rest`. Executions are asked for with a slash at the end, as in every example."""
    executions = "/projects/{project_id}/executions/"
    found = [
        Route("/tokens/", server.tokens.exchange, methods=["POST"]),
        Route(executions, server.executions),
        Route(executions + "{execution_id}", server.execution),
        Route(executions + "{execution_id}/log", server.log),
    ]
    for prefix in ("", "/spaces/{space_id}", "/projects/{project_id}"):
        found += [
            Route(f"{prefix}/agents", server.agents),
            Route(f"{prefix}/agents/{{id}}", server.agent),
            Route(f"{prefix}/dockerhosts", server.docker_hosts),
            Route(f"{prefix}/dockerhosts/{{id}}", server.docker_host),
            Route(f"{prefix}/dockerhosts/{{id}}/status", server.docker_host_status),
        ]
    return found
