"""What may go wrong with a source, as one line that a reader can act on."""

from __future__ import annotations

from urllib.parse import urlsplit


class SourceError(Exception):
    """A source could not be read: one line that names connection, host, what happened and what to do."""

    def __init__(self, line: str, status: int = 0) -> None:
        super().__init__(line)
        self.status = status  # of the HTTP answer, 0 where there was none


class NotAuthorised(SourceError):  # noqa: N818  what happened, in plain words
    """The source refuses these credentials."""


class SourceUnavailable(SourceError):  # noqa: N818
    """No usable answer, after all retries."""


class ServerFailed(SourceUnavailable):
    """The source answers 500 again and again."""


class Refused(SourceError):  # noqa: N818
    """The source does not take this request."""


class NotFound(Refused):
    """The source has no such thing (any more)."""


class OutOfRange(Refused):
    """The source no longer answers for this time."""


class Fault(Exception):  # noqa: N818
    """Something that may pass: tried again. `kind` is one of `_ATTEMPTS`."""

    def __init__(self, kind: str, what: str, retry_after: float | None = None) -> None:
        super().__init__(what)
        self.kind, self.what, self.retry_after = kind, what, retry_after


def problem(label: str, url: str, what: str, advice: str) -> str:
    """The line of a `SourceError`; of a URL it shows scheme, host and port only."""
    parts = urlsplit(url)
    return f"{label} ({parts.scheme}://{parts.netloc}): {what}; {advice}"
