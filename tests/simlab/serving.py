"""Labs of hand-made worlds, and clients that know their credentials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx

from simlab.credentials import enterprise_tester_login, hcl_offline_token, perfecto_tokens
from simlab.server import Lab, LabConfig, start
from tests.simlab.tiny_world import (
    FIRST_DAY,
    LAST_DAY,
    TinyEnterpriseTester,
    TinyHcl,
    TinyPerfecto,
    TinyWorld,
)

DAYS = (LAST_DAY - FIRST_DAY).days + 1
TOKENS = perfecto_tokens("acme")
Record = dict[str, object]
HTTP = httpx.Client(timeout=60)  # one for all: making one costs more than a hundred requests


@contextmanager
def serving(
    perfecto: TinyPerfecto | None = None,
    hcl: TinyHcl | None = None,
    enterprise_tester: TinyEnterpriseTester | None = None,
    clock: str = "2026-03-02T13:00:00Zx0",
    device_json: str = "allowed",
) -> Iterator[Lab]:
    """A lab of what is given, whose clock stands still unless told otherwise."""
    world = TinyWorld(*([] if server is None else [server] for server in (perfecto, hcl, enterprise_tester)))
    with start(LabConfig(clock=clock, end=LAST_DAY, days=DAYS, device_json=device_json), world) as lab:
        yield lab


class Reporting:
    """A client of the reporting export."""

    def __init__(self, lab: Lab, connection: str = "acme", headers: dict[str, str] | None = None) -> None:
        self._url = lab.urls["perfecto"][connection]["app_url"] + "/export/api/v3/test-executions"
        token = perfecto_tokens(connection).admin
        self._headers = {"Perfecto-Authorization": token} if headers is None else headers

    def get(self, path: str = "", query: str = "") -> httpx.Response:
        """Any request below the resource; `query` goes out as it is."""
        url = f"{self._url}{path}?{query}" if query else f"{self._url}{path}"
        return HTTP.get(url, headers=self._headers)

    def page(self, start: int, end: int, page: int = 1, more: str = "") -> Record:
        """One page of a window."""
        query = f"startExecutionTime[0]={start}&endExecutionTime[0]={end}&_page={page}{more}"
        answer = self.get("", query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def tests(self, start: int, end: int, more: str = "") -> list[Record]:
        """The first page's tests."""
        return self.page(start, end, more=more)["resources"]  # type: ignore[return-value]

    def all_tests(self, start: int, end: int) -> list[Record]:
        """The tests of all pages, until a page is empty or the last."""
        found: list[Record] = []
        page = 1
        while True:
            answer = self.page(start, end, page)
            found += answer["resources"]  # type: ignore[arg-type]
            if not answer["metadata"]["truncated"]:  # type: ignore[index]
                return found
            page += 1


def hcl_client(lab: Lab, connection: str = "ots") -> httpx.Client:
    """A client with a fresh access token, at the server's `/rest`."""
    url = lab.urls["hcl"][connection]["url"]
    answer = HTTP.post(f"{url}/tokens/", data={"refresh_token": hcl_offline_token(connection)})
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    return httpx.Client(base_url=url, headers=headers, timeout=60)


def enterprise_tester_client(lab: Lab, connection: str = "et") -> httpx.Client:
    """A client that is logged in, at the application's root."""
    url = lab.urls["enterprise_tester"][connection]["url"]
    return httpx.Client(base_url=url, auth=enterprise_tester_login(connection), timeout=60)


def names(records: Sequence[Record]) -> list[object]:
    """What the records are called."""
    return [record["name"] for record in records]
