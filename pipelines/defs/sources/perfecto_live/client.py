"""Asks a Perfecto cloud's Execution Manager what runs now.

The search is a POST that changes nothing. Its neighbour stops executions: no code here knows that address. A user
without the role for it sees only their own executions, and nothing in the answer says so.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from pipelines.lib.answer import NOBODY_ASKED, Answer, Page, not_asked
from pipelines.lib.clock import Clock, utc_now
from pipelines.lib.http import Http, connect, endpoint
from pipelines.lib.user_messages import complaint
from pipelines.settings import PerfectoConnection

_SEARCH = "execution-manager/api/v1/executions/search"
_read_executions = msgspec.json.Decoder(list[msgspec.Raw]).decode


@asynccontextmanager
async def client(connection: PerfectoConnection, clock: Clock = utc_now) -> AsyncIterator[PerfectoLive]:
    """The Execution Manager of one cloud, for as long as the block lasts."""
    if connection.executions_url is None:
        yield PerfectoLive(None, clock)
        return
    asked = endpoint(
        connection,
        connection.executions_url,
        headers={"Perfecto-Authorization": connection.token.get_secret_value()},
        credentials="token",
        complaint=complaint,
    )
    async with connect(asked, clock) as http:
        yield PerfectoLive(http, clock)


class PerfectoLive:
    """Answers of one cloud's Execution Manager; of none where the connection does not say where it is."""

    def __init__(self, http: Http | None, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    def executions(self) -> Answer:
        """Everything that runs now and the user may see; the service has no pages."""
        http = self._http
        if http is None:
            return not_asked(f"executions_url is not set: {NOBODY_ASKED}", self._clock())

        async def pages(answer: Answer) -> AsyncGenerator[Page]:
            executions = await http.post_json(_SEARCH, {}, _read_executions)
            yield Page(executions, self._clock())
            answer.complete = True

        return http.answer(pages)
