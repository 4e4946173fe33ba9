"""What may be asked of a system: reading, and the few questions that vendors take as a POST."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

QUESTIONS_BY_POST = re.compile(
    r"/execution-manager/api/v1/executions/search$"
    r"|/api/v1/device-management/devices$"
    r"|/services-host/services/(handsets|reservations|executions)$"  # the lab's knows no operation but reading
    r"|/hcl/[^/]+/rest/tokens/$"
)


def changes(requests: Iterable[Mapping[str, object]]) -> list[str]:
    """Requests that could change something there: stop an execution, create a run, anything else but a question."""
    return [
        f"{request['method']} {request['path']}"
        for request in requests
        if request["method"] != "GET"
        and not (request["method"] == "POST" and QUESTIONS_BY_POST.search(str(request["path"])))
    ]
