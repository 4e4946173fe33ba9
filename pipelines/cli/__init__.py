"""The `flakehouse` command: thin, everything that writes goes through Dagster as it does in the UI.

Whatever is wrong with what was asked is one line on standard error, and a non-zero exit.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from pipelines.cli import commands

INTERRUPTED = 130
"""What typer makes of Ctrl-C."""


class OneLineErrors(TyperGroup):
    """Says what is wrong in a line instead of a traceback, which goes to a file."""

    def main(self, *args: Any, standalone_mode: bool = True, **options: Any) -> Any:
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **options)
        # Both end a command in an orderly way, also where a script started it in the background, with Ctrl-C ignored.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        sys.exit(self._exit_code(*args, **options))

    def _exit_code(self, *args: Any, **options: Any) -> int:
        from pipelines.cli.terminal import CommandError, complain
        from pipelines.settings import SettingsError

        try:
            code = super().main(*args, standalone_mode=False, **options) or 0
        except typer.TyperException as error:
            complain(f"{error.format_message()} Try `flakehouse --help`.")
            return 2
        except (CommandError, SettingsError) as error:
            complain(str(error))
            return 1
        except typer.Abort:
            complain("stopped: a question had no answer")
            return 1
        except Exception as error:  # noqa: BLE001 - a person gets a line, whoever mends it gets the file
            complain(f"unexpected {type(error).__name__}; the traceback is in {_keep_traceback()}")
            return 1
        if code == INTERRUPTED:
            how = "with --missing the same command" if sys.argv[1:2] == ["ingest"] else "the same command"
            complain(f"interrupted; what was landed is kept, and {how} goes on from there")
        return code


def _keep_traceback() -> Path:
    descriptor, path = tempfile.mkstemp(prefix="flakehouse-", suffix=".log")
    with os.fdopen(descriptor, "w") as file:
        traceback.print_exc(file=file)
    return Path(path)


app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="A lakehouse for test-execution data: which tests are flaky, how busy is each device, why do tests fail.",
)
for command in (
    commands.demo,
    commands.init,
    commands.doctor,
    commands.ingest,
    commands.snapshot,
    commands.replay,
    commands.housekeep,
    commands.build,
    commands.report,
    commands.export,
    commands.dev,
    commands.notebooks,
    commands.simlab,
):
    app.command()(command)
