"""From argv to an exit code: which command runs, and how its errors are told."""

import errno
import gc
import io
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from wnm import __version__
from wnm.app.invocation import Command, Invocation
from wnm.cli.parse import parse
from wnm.core.errors import Bug, WnmError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wnm.app.context import Context
    from wnm.core.layers import Layer
    from wnm.core.settings import Settings

INTERRUPTED = 130


def run() -> NoReturn:
    """The program: main, then the end of the process, whatever threads are still held up by a dead disk.

    Nothing is left to be done at exit, and taking the modules apart costs a sixth of an idle cycle.
    """
    streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, io.TextIOWrapper)]
    for stream in streams:
        # A terminal that knows no more than ASCII shows a question mark; that is no reason to fail.
        stream.reconfigure(errors="replace")
    finish(main())


def finish(code: int) -> NoReturn:
    """End the process with what was written flushed, and without waiting for threads."""
    for stream in (sys.stdout, sys.stderr):
        # There is none where wnm was started without.
        if isinstance(stream, io.TextIOWrapper):
            with suppress(OSError, ValueError):
                stream.flush()
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Everything expected to go wrong is one line on stderr."""
    # A run is short and makes few cycles of references: looking for them costs a tenth of its CPU time.
    gc.disable()
    return guarded(lambda: _run(parse(sys.argv[1:] if argv is None else argv)))


def guarded(work: Callable[[], int]) -> int:
    """The exit code of `work`, or of the error that ended it, which is told."""
    try:
        return work()
    except Bug:
        return _tell_bug()
    except WnmError as error:
        _tell(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("wnm: interrupted; the next cycle goes on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more may be written, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _tell_output(error) if error.errno == errno.ENOSPC else _tell_bug()
    except Exception:  # noqa: BLE001 - shown whole; an operator must never see less than everything of a bug
        return _tell_bug()


def _run(asked: Invocation) -> int:
    if asked.command is Command.VERSION:
        print(f"wnm {__version__}")
        return 0
    if asked.command is Command.HELP:
        from wnm.cli.help import help_text

        print(help_text())
        return 0
    from wnm.app.context import begin

    begun = begin(asked)
    if begun.asked.log_file is not None:
        from wnm.app.log_file import keep_log

        keep_log(begun.asked)
    return _handler(asked.command)(begun)


def _handler(command: Command) -> "Callable[[Context], int]":
    """The function that runs a command; each one's modules are imported only when it is asked for."""
    match command:
        case Command.INIT:
            from wnm.app.init import initialise

            return initialise
        case Command.CYCLE | Command.FORCE:
            from wnm.app.alone import act_alone

            return act_alone
        case Command.UNDO_MIGRATION:
            from wnm_adopt.undoing import undo

            return undo
        case Command.REMOVE_LOCKFILE:
            from wnm.app.alone import remove_lockfile

            return remove_lockfile
        case Command.SIMULATE:
            from wnm.app.simulate import simulate

            return simulate
        case Command.WATCH:
            from wnm.tui import watch

            return watch
        case Command.SERVE:
            from wnm.app.serving import serve

            return serve
        case Command.ALERTS:
            return _alerts
        case Command.CRON:
            from wnm.app.schedule import cron

            return cron
        case _:
            from wnm.cli.reading import read

            return read


def _alerts(run: "Context") -> int:
    """Show alerts, or try whether messages arrive."""
    from wnm.alerts.commands import send_test, show

    def resolve(stored: "Sequence[Layer]") -> "Settings":
        return run.resolve(stored).settings

    as_json, code = run.asked.report_format == "json", 0
    if run.asked.alerts_verb == "test":
        text, code = send_test(run.database_path, resolve, as_json=as_json)
    else:
        text = show(run.database_path, resolve, as_json=as_json)
    print(text)
    return code


def _tell(error: WnmError) -> None:
    print(f"wnm: {' '.join(str(error).split())}", file=sys.stderr)
    if logging.getLogger("wnm").isEnabledFor(logging.DEBUG):
        traceback.print_exc()


def _tell_output(error: OSError) -> int:
    print(f"wnm: {error.strerror}: free some space where the output goes", file=sys.stderr)
    return 1


def _tell_bug() -> int:
    traceback.print_exc()
    print("wnm: this is a bug in wnm; nothing that was written down is lost", file=sys.stderr)
    return 1
