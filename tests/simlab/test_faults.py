"""The lab's faults as a client meets them: what each looks like, that they end, that they follow from the seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime

import httpx
import pytest

from simlab.faults import PROFILES, Kind
from simlab.faults.kinds import OF_A_LISTING, of_an_answer
from simlab.faults.plan import Plan
from simlab.server import Lab, LabConfig, start
from tests.simlab.serving import DAYS, TOKENS
from tests.simlab.tiny_world import LAST_DAY, NOON, TinyPerfecto, TinyWorld, test_run

EXPORT = "/perfecto/acme/app/export/api/v3/test-executions"
SECONDS = 1.2
RUNS = 1_100


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    runs = [test_run(n, NOON + n) for n in range(RUNS)]
    config = LabConfig(
        clock="2026-03-02T13:00:00Zx0", end=LAST_DAY, days=DAYS, faults="hostile", fault_seconds=SECONDS
    )
    with start(config, TinyWorld([TinyPerfecto(runs)])) as running:
        yield running


@pytest.fixture
def struck_by(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Callable[[Kind], Lab]:
    """The next answer, or the next pass through a listing, has this fault."""

    def struck(kind: Kind) -> Lab:
        of_an_answer = None if kind in OF_A_LISTING else kind
        of_a_listing = kind if kind in OF_A_LISTING else None
        monkeypatch.setattr(lab.faults.plan, "next", lambda _question, _kinds: of_an_answer)
        monkeypatch.setattr(lab.faults.plan, "of_listing", lambda _listing, **_: of_a_listing)
        return lab

    return struck


def asked(lab: Lab, page: int = 1) -> httpx.Response:
    url = f"http://127.0.0.1:{lab.port}{EXPORT}?startExecutionTime[0]={NOON}&endExecutionTime[0]={NOON + RUNS}&_page={page}"
    return httpx.get(url, headers={"Perfecto-Authorization": TOKENS.admin}, timeout=10)


def listed(lab: Lab, pages: int) -> list[tuple[int, int, bool]]:
    """First id, number of records, and `truncated`, of each page; ids count from the newest test, 0."""
    found = []
    for page in range(1, pages + 1):
        answer = asked(lab, page).json()
        ids = [RUNS - 1 - int(record["id"], 16) for record in answer["resources"]]
        found.append((ids[0] if ids else -1, len(ids), answer["metadata"]["truncated"]))
    return found


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        (Kind.TOO_MANY, 429, "Too many"),
        (Kind.SERVER_ERROR, 500, "Internal"),
        (Kind.BAD_GATEWAY, 502, "<html>"),
        (Kind.UNAVAILABLE, 503, "Unavailable"),
        (Kind.ERROR_MESSAGE, 200, '[{"userMessage":'),
        (Kind.LOGIN_PAGE, 200, 'type="password"'),
    ],
)
def test_an_answer_of_another_kind(
    struck_by: Callable[[Kind], Lab], kind: Kind, status: int, words: str
) -> None:
    answer = asked(struck_by(kind))
    assert answer.status_code == status
    assert words in answer.text
    assert "retry-after" not in answer.headers


def test_retry_after_in_seconds_and_as_a_date(struck_by: Callable[[Kind], Lab]) -> None:
    assert asked(struck_by(Kind.TOO_MANY_SECONDS)).headers["retry-after"] == "1"
    date = parsedate_to_datetime(asked(struck_by(Kind.TOO_MANY_DATE)).headers["retry-after"])
    assert -1 <= date.timestamp() - time.time() <= SECONDS + 1


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Kind.TRUNCATED_BODY, httpx.RemoteProtocolError),
        (Kind.NEVER_ENDING_BODY, httpx.ReadError),
        (Kind.RESET, httpx.ReadError),
    ],
)
def test_an_answer_that_breaks_off(
    struck_by: Callable[[Kind], Lab], kind: Kind, error: type[Exception]
) -> None:
    began = time.monotonic()
    with pytest.raises(error):
        asked(struck_by(kind))
    took = time.monotonic() - began
    assert (took >= SECONDS) == (kind is Kind.NEVER_ENDING_BODY)


def test_a_slow_answer_is_a_right_one(struck_by: Callable[[Kind], Lab]) -> None:
    began = time.monotonic()
    assert len(asked(struck_by(Kind.SLOW)).json()["resources"]) == 500
    assert time.monotonic() - began >= SECONDS


@pytest.mark.parametrize(
    ("kind", "pages"),
    [
        (Kind.OVERLAPPING_PAGES, [(0, 500, True), (493, 500, True), (986, 114, False)]),
        (Kind.SHIFTING_ROWS, [(0, 500, True), (493, 500, True), (993, 107, False)]),
        (Kind.REPEATED_PAGE, [(0, 500, True), (0, 500, True), (500, 500, True), (1000, 100, False)]),
        (Kind.EMPTY_PAGE, [(0, 500, True), (-1, 0, True), (-1, 0, True), (-1, 0, True)]),
        (Kind.ENDLESS_PAGING, [(0, 500, True), (500, 500, True), (1000, 100, True), (1000, 100, True)]),
    ],
)
def test_a_listing_whose_pages_are_wrong(
    struck_by: Callable[[Kind], Lab], kind: Kind, pages: list[tuple[int, int, bool]]
) -> None:
    assert listed(struck_by(kind), len(pages)) == pages


def test_an_empty_page_that_stumbled_is_right_when_asked_again(struck_by: Callable[[Kind], Lab]) -> None:
    lab = struck_by(Kind.EMPTY_PAGE)
    asked(lab)
    assert [len(asked(lab, 2).json()["resources"]) for _ in range(2)] == [0, 500]


def test_strikes_are_counted_by_kind_and_request_without_secrets(struck_by: Callable[[Kind], Lab]) -> None:
    lab = struck_by(Kind.UNAVAILABLE)
    before = lab.faults.plan.by_kind()[Kind.UNAVAILABLE]
    httpx.get(f"http://127.0.0.1:{lab.port}{EXPORT}?securityToken=secret")
    record = httpx.get(f"http://127.0.0.1:{lab.port}/_lab/faults").json()
    assert record["profile"] == "hostile"
    assert record["kinds"][Kind.UNAVAILABLE] == before + 1
    assert {"kind": "503", "request": f"GET {EXPORT}?securityToken=***", "times": 1} in record["strikes"]


@pytest.mark.parametrize("profile", ["flaky", "hostile"])
def test_whoever_asks_again_is_answered_well_in_the_end(profile: str) -> None:
    plan = Plan(PROFILES[profile], seed=1)
    longest = 0
    for question in map(str, range(300)):
        for _ in range(3):
            strikes = []
            while kind := plan.next(question, of_an_answer("/hcl/ots/rest/agents")):
                strikes.append(kind)
            assert len(strikes) == len(set(strikes)), "no kind twice: a 500 is not asked for long"
            longest = max(longest, len(strikes))
    assert longest == PROFILES[profile].most


def test_the_same_seed_strikes_alike_and_another_otherwise() -> None:
    def strikes(seed: int) -> list[Kind | None]:
        plan = Plan(PROFILES["hostile"], seed)
        return [plan.next(f"question {n % 50}", of_an_answer("/et/x")) for n in range(300)]

    assert strikes(1) == strikes(1) != strikes(2)


def test_no_listing_is_struck_in_every_pass() -> None:
    plan = Plan(PROFILES["hostile"], seed=1)
    for listing in map(str, range(50)):
        passes = [plan.of_listing(listing, is_first_page=True) for _ in range(12)]
        assert None in passes[:4]
        assert any(passes)
