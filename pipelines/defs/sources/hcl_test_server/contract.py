"""What HCL DevOps Test Hub (OneTest Server) sends: executions and their logs, agents, docker hosts.

Field names and types are those of the vendor's schema pages; nothing there but an agent's host name is mandatory.
No page shows how a list of executions looks, so an envelope is read in each form that sister services use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from pipelines.lib.contract import EpochMillis, Instant, Integer, JsonText, Key, Reject, Row, Table
from pipelines.lib.redaction import Redaction

SOURCE = "hcl_test_server"
KIND = "hcl"
# A docker host's answer holds the credentials to it; an execution's opaque part may hold its user's token.
REDACTION = Redaction("clientKey", "clientCert", "caCert", "username", "password")

# COMPLETE says that the run finished, not that its tests passed.
ACTIVE = frozenset({"RUNNING", "IN_TRANSITION", "SCHEDULED", "STOPPING"})
FAILED = frozenset({"COMPLETE_WITH_ERROR", "INCOMPLETE", "LAUNCH_FAILED", "STOPPED_AUTOMATICALLY"})
ENDED = FAILED | {"COMPLETE", "STOPPED_BY_USER", "CANCELED"}


class _Object(msgspec.Struct, rename="camel", gc=False):
    pass


class ResultReference(_Object):
    ref: str | None = None
    id: str | None = None


class Execution(_Object):
    id: Key
    result: ResultReference | None = None
    status: str | None = None
    message: str | None = None
    internal: JsonText = msgspec.Raw(b"")  # an opaque object
    start_date: Instant = None
    completion_date: Instant = None


class ExecutionLog(_Object):
    log: str | None = None


class CapabilityValues(_Object):
    id: Integer = None
    icon: str | None = None
    capability: JsonText = msgspec.Raw(b"")


class Capability(_Object):
    id: Integer = None
    name: str | None = None
    version: str | None = None
    vendor: str | None = None
    value: list[CapabilityValues] | None = None
    key: str | None = None
    category: str | None = None  # SYSTEM, APPLICATION, USER_DEFINED
    last_modified: Integer = None


class CapabilityMatch(_Object):
    match: bool | None = None
    matched_capability: JsonText = msgspec.Raw(b"")
    mis_matched_capability: JsonText = msgspec.Raw(b"")


class Agent(_Object):
    id: int
    host_name: str
    ip_address: str | None = None
    owner: str | None = None
    type: str | None = None
    version: str | None = None
    operating_system: str | None = None
    architecture: str | None = None
    ram: str | None = None  # bytes, as text
    license_type: str | None = None
    poll_interval: Integer = None  # milliseconds
    engine_list_size: Integer = None  # execution engines that are active
    contact_time: EpochMillis = None  # the unit is not documented
    capabilities: list[Capability] | None = None
    match_specifics: CapabilityMatch | None = None
    state: str | None = None  # AVAILABLE, BUSY, LOST
    rtb_state: str | None = None
    rtb_contact_time: EpochMillis = None


class DockerHostInfo(_Object):
    server: str | None = None
    version: str | None = None
    api_version: str | None = None
    go_version: str | None = None
    git_commit: str | None = None
    build_date: str | None = None
    os_arch: str | None = None
    experimental: bool | None = None


class DockerHost(_Object):
    id: int
    name: str | None = None
    host_name: str | None = None
    ip_address: str | None = None
    port: str | None = None
    owner: str | None = None
    type: str | None = None
    project_list: str | None = None
    team_space_list: str | None = None
    secure: bool | None = None
    info: DockerHostInfo | None = None


class DockerHostStatus(_Object):
    status: str | None = None
    reason: str | None = None
    info: DockerHostInfo | None = None


class ProjectPlace(msgspec.Struct, gc=False):
    """An execution does not name its project."""

    _project_id: str


class LogPlace(msgspec.Struct, gc=False):
    """A log is plain text: only the request knows whose it is."""

    execution_id: str
    _project_id: str


class DockerHostPlace(msgspec.Struct, gc=False):
    """A status does not name its host."""

    _docker_host_id: int


def log_of_execution(texts: Sequence[bytes], place: msgspec.Struct | None) -> Iterator[Row | Reject]:
    """One row per execution whose log was asked for, one without a log included."""
    if not texts:
        yield Row(None, place, ExecutionLog())
    for text in texts:
        yield Row(text, place)


EXECUTIONS = Table(
    source=SOURCE,
    name="executions",
    kind="window",
    description="One row per execution, in the UTC day in which it completed; where it ended without that time, in the day in which it started.",
    record=Execution,
    place=ProjectPlace,
    key=("id",),
    parent="_project_id",
    periods=(("start_date", "completion_date", "end_before_start"),),
    redaction=REDACTION,
)
EXECUTION_LOGS = Table(
    source=SOURCE,
    name="execution_logs",
    kind="window",
    description="One row per failed execution whose container log was asked for, in the day of the execution.",
    record=ExecutionLog,
    place=LogPlace,
    key=("execution_id",),
    parent="execution_id",
    asked_by_parent=True,
    redaction=REDACTION,
    unfold=log_of_execution,
)
LIVE_EXECUTIONS = Table(
    source=SOURCE,
    name="live_executions",
    kind="snapshot",
    description="One row per execution that was scheduled, starting, running or stopping at the time of the observation.",
    record=Execution,
    place=ProjectPlace,
    key=("id",),
    redaction=REDACTION,
)
AGENTS = Table(
    source=SOURCE,
    name="agents",
    kind="snapshot",
    description="One row per agent, whoever made it, as it was at the time of the observation.",
    record=Agent,
    key=("id",),
    redaction=REDACTION,
)
DOCKER_HOSTS = Table(
    source=SOURCE,
    name="docker_hosts",
    kind="snapshot",
    description="One row per remote docker host, without the credentials that the server sends along.",
    record=DockerHost,
    key=("id",),
    redaction=REDACTION,
)
DOCKER_HOST_STATUS = Table(
    source=SOURCE,
    name="docker_host_status",
    kind="snapshot",
    description="One row per remote docker host: its last known status.",
    record=DockerHostStatus,
    place=DockerHostPlace,
    key=("_docker_host_id",),
    redaction=REDACTION,
)
TABLES = (EXECUTIONS, EXECUTION_LOGS, LIVE_EXECUTIONS, AGENTS, DOCKER_HOSTS, DOCKER_HOST_STATUS)
