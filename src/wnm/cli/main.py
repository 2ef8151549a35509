"""Turns argv into a use case, and what comes of it into output and an exit code."""

import errno
import gc
import io
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from wnm import __version__
from wnm.app.invocation import Command, Report
from wnm.cli.parse import parse
from wnm.core.errors import Bug, WnmError

if TYPE_CHECKING:
    from wnm.app.context import Context

INTERRUPTED = 130


def run() -> NoReturn:
    """The program: main, then the end of the process, whatever threads are still held up by a dead disk.

    Nothing is left to be done at exit, and taking the modules apart costs a sixth of an idle cycle.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
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
    # A run is short and makes few cycles of references: searching for them costs a tenth of its CPU time.
    gc.disable()
    return guarded(partial(_report, sys.argv[1:] if argv is None else argv))


def guarded(work: Callable[[], Report]) -> int:
    """Print the report of `work` and return its exit code, or that of the error that ended it, which is told."""
    try:
        report = work()
        show(report)
        return report.exit_code
    except Bug:
        return _tell_bug()
    except WnmError as error:
        print(f"wnm: {' '.join(str(error).split())}", file=sys.stderr)
        if logging.getLogger("wnm").isEnabledFor(logging.DEBUG):
            traceback.print_exc()
        return error.exit_code
    except KeyboardInterrupt:
        print("wnm: interrupted; the next cycle goes on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has closed it; nothing more may be written, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            return _tell_bug()
        print(f"wnm: {error.strerror}: free some space where the output goes", file=sys.stderr)
        return 1
    except Exception:  # noqa: BLE001 - shown whole; an operator must never see less than everything of a bug
        return _tell_bug()


def _report(argv: Sequence[str]) -> Report:
    asked = parse(argv)
    match asked.command:
        case Command.VERSION:
            return Report(text=f"wnm {__version__}")
        case Command.HELP:
            from wnm.cli.help import help_text

            return Report(text=help_text())
    from wnm import wiring

    if asked.command in (Command.CYCLE, Command.FORCE):
        return wiring.run_once(asked)
    return _carry_out(wiring.context_of(asked))


def _carry_out(context: "Context") -> Report:
    """Carry out a command; each one's modules are imported only when it is asked for."""
    match context.asked.command:
        case Command.INIT:
            from wnm.app.init import init

            return init(context, say)
        case Command.UNDO_MIGRATION:
            from wnm.app.init import undo_migration

            return undo_migration(context, say)
        case Command.REMOVE_LOCKFILE:
            from wnm.system.lock import release_stale

            release_stale(context.lock_path)
            return Report(text=f"{context.lock_path} is free")
        case Command.WATCH:
            from wnm.tui import watch

            return Report(exit_code=watch(context))
        case Command.SERVE:
            from wnm.app.serving import serve

            return serve(context, lambda line: print(line, flush=True))
        case Command.ALERTS:
            return _alerts(context)
        case Command.CRON:
            from wnm.app.schedule import cron

            return cron(context)
        case Command.DOCTOR:
            from wnm.app.doctor import examine

            return examine(context)
        case _:
            from wnm.app.read import read
            from wnm.app.terminal import terminal_of

            return read(context, terminal_of(sys.stdout))


def _alerts(context: "Context") -> Report:
    """Show alerts, or try whether messages arrive."""
    from wnm.alerts.commands import send_test, show
    from wnm.core.layers import Layer
    from wnm.core.settings import Settings

    def resolve(stored: Sequence[Layer]) -> Settings:
        return context.resolve(stored).settings

    as_json = context.asked.report_format == "json"
    if context.asked.alerts_verb == "test":
        text, code = send_test(context.database_path, resolve, as_json=as_json)
        return Report(text=text, exit_code=code)
    return Report(text=show(context.database_path, resolve, as_json=as_json))


def say(text: str) -> None:
    """Tell it at once. A terminal that is gone, a reader that has seen enough or a full disk stops nothing."""
    try:
        print(text, flush=True)
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


def show(report: Report) -> None:
    """Print it: lines in colours on a terminal that has them, but not where NO_COLOR is set or it is a dumb one."""
    if isinstance(report.text, str):
        print(report.text)
    elif report.text is not None and sys.stdout is not None:
        from wnm.app.terminal import is_terminal
        from wnm.views.text import plain

        if is_terminal(sys.stdout):
            from rich.console import Console  # it takes a while to import

            console = Console(file=sys.stdout, highlight=False, emoji=False, markup=False, soft_wrap=True)
            for each in report.text:
                console.print(each, soft_wrap=True)
        else:
            sys.stdout.write(f"{plain(report.text)}\n")
    if sys.stdout is not None:
        # Output that was not written whole is no success: a full disk shows only now.
        sys.stdout.flush()
    for note in report.notes:
        print(f"wnm: {note}", file=sys.stderr)


def _tell_bug() -> int:
    traceback.print_exc()
    print("wnm: this is a bug in wnm; nothing that was written down is lost", file=sys.stderr)
    return 1
