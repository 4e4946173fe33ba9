"""The exchange of the offline token: when it happens, and what its refusals mean. No I/O: the flow is driven here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import parse_qs

import msgspec
import pytest

from pipelines.defs.sources.hcl_test_server.client import client
from pipelines.defs.sources.hcl_test_server.token import AccessToken
from pipelines.lib.http import Http, Question, Reply, connect, endpoint
from pipelines.lib.source_errors import Fault, NotAuthorised, Refused
from pipelines.settings import HclConnection
from simlab.server import Lab
from tests.simlab.serving import serving
from tests.simlab.tiny_world import SECOND, TinyHcl
from tests.sources.lab_and_lake import asked, connection_to

OFFLINE_TOKEN = "eyJ-offline-canary"
CONNECTION = HclConnection(
    name="ots", url="https://ots.example.com/test/rest", offline_token=OFFLINE_TOKEN, projects=["1050"]
)


class Server:
    """What the other side says, in order, and what it was asked."""

    def __init__(self, login: AccessToken) -> None:
        self.login = login
        self.seen: list[Question] = []

    def ask(self, *answers: Reply) -> Reply:
        return asyncio.run(self._ask(list(answers)))

    async def _ask(self, answers: list[Reply]) -> Reply:
        async def sent(_source: Http, question: Question) -> Reply:
            self.seen.append(question)
            return answers.pop(0)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Http, "_sent", sent)
            async with connect(
                endpoint(CONNECTION, CONNECTION.url, credentials="", login=self.login)
            ) as http:
                reply = await http._exchanged(Question("GET", f"{CONNECTION.url}/agents", {}))
        assert not answers
        return reply

    def addresses(self) -> list[str]:
        return [question.url.removeprefix(f"{CONNECTION.url}/") for question in self.seen]


def said(status: int, body: object = ()) -> Reply:
    return Reply(status, {}, msgspec.json.encode(body))


def given(token: str, **more: object) -> Reply:
    return said(200, {"access_token": token, **more})


OK, EXPIRED = said(200), said(401, {"code": 401})


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def server(clock: list[float]) -> Server:
    return Server(AccessToken(CONNECTION, lambda: clock[0]))


def test_one_exchange_serves_many_requests(server: Server) -> None:
    server.ask(given("first"), OK)
    server.ask(OK)

    assert server.addresses() == ["tokens/", "agents", "agents"]
    assert server.seen[2].headers["Authorization"] == "Bearer first"


def test_the_offline_token_is_sent_in_a_form_and_nowhere_else() -> None:
    request = AccessToken(CONNECTION)._exchange()

    assert request.method == "POST"
    assert request.url == "https://ots.example.com/test/rest/tokens/"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.body.decode()) == {"refresh_token": [OFFLINE_TOKEN]}


@pytest.mark.parametrize(
    ("told", "lifetime"), [({"expires_in": 600}, 600), ({}, 300), ({"expires_in": None}, 300)]
)
def test_a_token_is_renewed_a_minute_before_it_expires(
    server: Server, clock: list[float], told: dict[str, object], lifetime: int
) -> None:
    server.ask(given("first", **told), OK)
    clock[0] += lifetime - 61
    server.ask(OK)
    clock[0] += 2
    server.ask(given("second"), OK)

    assert server.addresses() == ["tokens/", "agents", "agents", "tokens/", "agents"]
    assert server.seen[-1].headers["Authorization"] == "Bearer second"


def test_a_token_that_lives_shorter_than_a_minute_is_still_used(server: Server, clock: list[float]) -> None:
    server.ask(given("first", expires_in=40), OK)
    clock[0] += 19
    server.ask(OK)
    clock[0] += 2
    server.ask(given("second", expires_in=40), OK)

    assert server.addresses() == ["tokens/", "agents", "agents", "tokens/", "agents"]


def test_a_401_renews_the_token_once(server: Server) -> None:
    server.ask(given("first"), OK)
    answer = server.ask(EXPIRED, given("second"), OK)

    assert answer.status == 200
    assert [r.headers["Authorization"] for r in server.seen if r.url.endswith("agents")] == [
        "Bearer first",
        "Bearer first",
        "Bearer second",
    ]


def test_a_second_401_is_handed_on(server: Server) -> None:
    answer = server.ask(given("first"), EXPIRED, given("second"), EXPIRED)

    assert answer.status == 401
    assert server.addresses() == ["tokens/", "agents", "tokens/", "agents"]


@pytest.mark.parametrize("status", [400, 401, 402])
def test_a_bad_offline_token_is_final_and_says_what_to_do(server: Server, status: int) -> None:
    with pytest.raises(NotAuthorised) as refusal:
        server.ask(said(status, {"code": status}))

    assert str(refusal.value) == (
        "hcl.ots (https://ots.example.com): it does not take the offline token;"
        " create a new one and set offline_token"
    )


def test_a_missing_licence_is_final_and_named(server: Server) -> None:
    with pytest.raises(NotAuthorised, match="check the user's licence"):
        server.ask(said(403))


@pytest.mark.parametrize("status", [302, 404, 405, 410])
def test_an_address_that_exchanges_no_tokens_is_final_and_named(server: Server, status: int) -> None:
    with pytest.raises(Refused) as refusal:
        server.ask(said(status))

    assert type(refusal.value) is Refused
    assert str(refusal.value) == (
        f"hcl.ots (https://ots.example.com): HTTP {status} where an access token was asked for;"
        " check the url and its prefix"
    )


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (said(500), "server_error"),
        (said(503), "busy"),
        (said(429), "busy"),
        (Reply(200, {}, b"<html>login</html>"), "broken"),
        (said(200, {"token_type": "bearer"}), "broken"),
    ],
)
def test_a_stumble_of_the_token_service_may_be_tried_again(server: Server, answer: Reply, kind: str) -> None:
    with pytest.raises(Fault) as fault:
        server.ask(answer)

    assert fault.value.kind == kind
    assert OFFLINE_TOKEN not in fault.value.what


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with serving(hcl=TinyHcl()) as lab:
        yield lab


def test_many_requests_at_once_share_one_exchange(lab: Lab) -> None:
    before = len(lab.requests)
    connection = connection_to(lab, "ots", projects=["1050"] * 12)
    asked(lab, client, connection, lambda source: source.live_executions())

    paths = [str(request["path"]) for request in lab.requests[before:]]
    assert len(paths) == 13
    assert [path for path in paths if path.endswith("/tokens/")] == paths[:1]


def test_a_token_that_expires_between_two_requests_is_renewed(lab: Lab) -> None:
    async def ask() -> int:
        async with client(connection_to(lab, "ots")) as source:
            for _ in range(2):
                answer = source.agents()
                agents = [record async for page in answer.pages(answer) for record in page.records]
                lab.clock.advance(301 * SECOND)
            return len(agents)

    before = len(lab.requests)
    assert asyncio.run(ask()) == 2
    paths = [str(request["path"]).rpartition("/rest/")[2] for request in lab.requests[before:]]
    assert paths == ["tokens/", "agents?all=true", "agents?all=true", "tokens/", "agents?all=true"]


def test_a_wrong_offline_token_ends_at_the_first_answer(lab: Lab) -> None:
    before = len(lab.requests)
    with pytest.raises(
        NotAuthorised, match=r"^hcl\.ots \(http://127\.0\.0\.1:\d+\): it does not take the offline token;"
    ):
        asked(
            lab,
            client,
            connection_to(lab, "ots", offline_token=OFFLINE_TOKEN),
            lambda source: source.agents(),
        )

    assert len(lab.requests) == before + 1
