"""Tables, cards and queries as HTML: the parts that the report and the notebooks share."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment(**more: Any) -> Environment:
    """Where the page's templates are found, with what their parts need, and more."""
    environment = Environment(
        loader=PackageLoader("pipelines.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "pieces": lambda text: re.findall(r"[^{]+|{\w+}", text),
        # What a vendor sent as an address may be a script.
        "is_link": lambda link: bool(re.match(r"https?://|[?.]", link or "")),
        "query": lambda answer: textwrap.dedent(answer.question.sql).strip(),
        **more,
    }
    return environment
