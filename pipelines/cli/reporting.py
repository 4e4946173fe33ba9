"""`flakehouse report`: the review of tests, failures, devices and cost as one HTML file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pipelines.cli.published import published_warehouse
from pipelines.cli.terminal import CommandError, console
from pipelines.report.answers import MartsMissingError
from pipelines.report.writing import write_report
from pipelines.settings import Settings


def report(out: Path | None) -> None:
    try:
        file = write_report(published_warehouse(), out or Settings().home / "reports", datetime.now(UTC))
    except MartsMissingError as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"{error.filename}: cannot be written ({error.strerror})") from None
    console().print(f"{file} ({file.stat().st_size / 1e6:.1f} MB), opens in any browser")
