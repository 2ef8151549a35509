"""Runs other programs, the only module that does: one to its end, or one that outlives us."""

import errno
import os
import pwd
import selectors
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from typing import IO

from msgspec import Struct

from wnm.core.errors import Transient

MOST_OUTPUT_BYTES = 1024 * 1024
LAST_WORDS_CHARACTERS = 300
# Python ignores these two itself and subprocess puts them back; an ignored HUP only protects.
HARMLESS_WHEN_IGNORED = frozenset({signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP})
# Becomes the program in argv with the default answer to every signal. Nothing else can put that back from a
# thread, and running Python code between fork and exec is not safe in one.
WITH_DEFAULT_SIGNALS = """
import os, signal, sys
for number in map(int, sys.argv[1].split(",")):
    signal.signal(number, signal.SIG_DFL)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"cannot start {sys.argv[2]} ({error.strerror})")
"""


class Completed(Struct, frozen=True, kw_only=True):
    """The output of a program that ended with code 0, as text; bytes that are not UTF-8 are replaced."""

    stdout: str
    stderr: str


class CommandFailed(Transient):
    """A program that could not be started, was cut short, or did not end with code 0.

    `code` is negative for the signal that ended it and None if it never ran to an end. `stderr` is text.
    """

    def __init__(self, argv: Sequence[str], code: int | None, stderr: str, why: str) -> None:
        super().__init__(f"{_shortened(shlex.join(argv))}: {why}")
        self.argv = tuple(argv)
        self.code = code
        self.stderr = stderr


def run(
    argv: Sequence[str],
    timeout: timedelta,
    env: Mapping[str, str] | None = None,
    *,
    user: str | None = None,
    stdin_bytes: bytes = b"",
    decode_errors: str = "replace",
    most_output_bytes: int = MOST_OUTPUT_BYTES,
) -> Completed:
    """Run a program to its end, outside of our terminal. Never through a shell. It reads `stdin_bytes`.

    `env` is its whole environment; without it, it gets ours with messages in English. `user` is the account that
    it runs as, if it is not ours, with that account's own group and no other. `decode_errors` says what becomes
    of output that is not UTF-8. Raises CommandFailed if it cannot start, does not end with code 0, or (with all
    that it started, killed) outlives `timeout` or writes more than `most_output_bytes`.
    """
    with _reading(argv, stdin_bytes) as stdin:
        process = _popen(
            argv,
            env={**os.environ, "LC_ALL": "C"} if env is None else env,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            user=user,
        )
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = bytearray(), bytearray()
    try:
        why = _collect(process, {process.stdout: out, process.stderr: err}, timeout, most_output_bytes)
    finally:
        _end(process)
    stdout, stderr = out.decode(errors=decode_errors), err.decode(errors="replace")
    if why:
        raise CommandFailed(argv, None, stderr, why)
    if code := process.returncode:
        why = f"ended with code {code}" if code > 0 else f"ended by signal {-code}"
        with suppress(ValueError):
            why = why if code > 0 else f"ended by {signal.Signals(-code).name}"
        lines = [line.strip() for line in (stderr or stdout).splitlines() if line.strip()]
        raise CommandFailed(argv, code, stderr, why + (f": {_shortened(lines[-1])}" if lines else ""))
    return Completed(stdout=stdout, stderr=stderr)


def run_attached(
    argv: Sequence[str], *, input_text: str, timeout: timedelta, held_back: str
) -> tuple[int, str]:
    """Run a program on our output until its end; returns its exit code and what it said of itself.

    It reads `input_text`. Lines on its stderr that begin with `held_back` are not shown but returned, without
    that, in one line. Raises CommandFailed if it cannot start or outlives `timeout`, and is killed then.
    """
    try:
        process = subprocess.Popen(list(argv), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise CommandFailed(argv, None, "", f"cannot start ({error.strerror})") from error
    own_words: list[str] = []

    def feed() -> None:
        assert process.stdin is not None
        with suppress(OSError), process.stdin:  # it may have ended, or read enough
            process.stdin.write(input_text.encode())

    def pass_on() -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                if line.startswith(held_back.encode()):
                    own_words.append(line.decode(errors="replace").removeprefix(held_back).strip())
                else:
                    sys.stderr.buffer.write(line)
                    sys.stderr.buffer.flush()

    reader = threading.Thread(target=pass_on, daemon=True)
    reader.start()
    # More than a pipe holds would be waited for as long as nobody reads it.
    threading.Thread(target=feed, daemon=True).start()
    try:
        code = process.wait(timeout.total_seconds())
    except subprocess.TimeoutExpired as error:
        with suppress(PermissionError, subprocess.TimeoutExpired):  # it may have become another account's
            process.kill()
            process.wait(1)
        process.returncode = process.returncode or -signal.SIGKILL
        raise CommandFailed(argv, None, "", f"not done after {timeout.total_seconds():g} s") from error
    reader.join(1)
    return code, " | ".join(own_words)


def spawn_detached(argv: Sequence[str], *, env: Mapping[str, str], cwd: str, log_file: str) -> int:
    """Start a program that lives on without us, and return its pid.

    It leads a session of its own without a terminal, reads nothing, appends what it writes to `log_file`
    (made 0600), keeps none of our files, locks or ignored signals. Raises CommandFailed if it cannot start; where we
    ignore signals, a missing program ends at once instead, with the reason in its log.
    """
    ignored = [
        s for s in signal.valid_signals() - HARMLESS_WHEN_IGNORED if signal.getsignal(s) is signal.SIG_IGN
    ]
    wrapped: Sequence[str] = argv
    if ignored:
        numbers = ",".join(str(int(s)) for s in ignored)
        wrapped = [sys.executable, "-I", "-S", "-c", WITH_DEFAULT_SIGNALS, numbers, *argv]
    try:
        log = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY, 0o600)
    except OSError as error:
        raise CommandFailed(argv, None, "", f"cannot write {log_file} ({error.strerror})") from error
    try:
        # A child inherits the blocked signals of the thread that starts it, and could not be told to end.
        blocked = signal.pthread_sigmask(signal.SIG_SETMASK, ())
        try:
            process = _popen(wrapped, env=env, cwd=cwd, stdout=log, stderr=log)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    finally:
        os.close(log)
    # It is meant to be left running: without a return code, forgetting the object would count as a mistake.
    process.returncode = 0
    return process.pid


def ended(pid: int) -> int | None:
    """The code with which our child ended (negative: the signal), None while it runs or if it is not our child."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if found else None


def _popen(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    stdout: int,
    stderr: int,
    stdin: int = subprocess.DEVNULL,
    cwd: str | None = None,
    user: str | None = None,
) -> "subprocess.Popen[bytes]":
    pause = 0.001
    account: pwd.struct_passwd | None = None
    if user is not None:
        try:
            account = pwd.getpwnam(user)
        except KeyError as error:
            what = f"cannot start (there is no account {user})"
            raise CommandFailed(argv, None, "", what) from error
    if account and account.pw_uid == os.geteuid():
        account = None  # to change to it would need root
    while True:
        try:
            return subprocess.Popen(
                list(argv),
                env=env,
                cwd=cwd,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                close_fds=True,
                start_new_session=True,
                user=account and account.pw_uid,
                group=account and account.pw_gid,
                extra_groups=account and [],
            )
        except OSError as error:
            # A child that another thread forked may for an instant hold open for writing what that thread copied.
            if error.errno == errno.ETXTBSY and pause < 0.2:
                time.sleep(pause)
                pause *= 2
                continue
            what = f"cannot start {error.filename or argv[0]} ({error.strerror})"
            raise CommandFailed(argv, None, "", what) from error
        except ValueError as error:  # a NUL character in an argument
            raise CommandFailed(argv, None, "", f"cannot start ({error})") from error


def _collect(
    process: "subprocess.Popen[bytes]",
    streams: Mapping[IO[bytes], bytearray],
    timeout: timedelta,
    most_output_bytes: int,
) -> str | None:
    """Read until the program has ended; says why it has to be cut short, else None."""
    deadline = time.monotonic() + timeout.total_seconds()
    with selectors.DefaultSelector() as selector:
        for stream, text in streams.items():
            selector.register(stream, selectors.EVENT_READ, text)
        while True:
            # A child that it left behind may keep the streams open: its own end counts, and what it wrote until then.
            over = process.poll() is not None
            ready = selector.select(0 if over else min(max(deadline - time.monotonic(), 0), 0.05))
            for key, _ in ready:
                received: bytearray = key.data
                chunk = os.read(key.fd, 65536)
                received += chunk
                if not chunk:
                    selector.unregister(key.fileobj)
                if len(received) > most_output_bytes:
                    return f"wrote more than {most_output_bytes} bytes and was ended"
            if over and not ready:
                return None
            if not over and time.monotonic() >= deadline:
                return f"no end after {timeout.total_seconds():g} s; it was ended"
            if not over and not selector.get_map():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(deadline - time.monotonic(), 0))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill the program with all of its group unless it ended; never waits long for one that cannot die."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            process.returncode = -signal.SIGKILL
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()


@contextmanager
def _reading(argv: Sequence[str], content: bytes) -> Iterator[int]:
    """A descriptor that gives these bytes: a file without a name, as a pipe would need somebody to fill it."""
    if not content:
        yield subprocess.DEVNULL
        return
    import tempfile  # takes a while to load, and hardly anything is given input

    with ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.TemporaryFile())
            file.write(content)
            file.seek(0)
        except OSError as error:
            what = f"cannot start (no room for its input: {error.strerror})"
            raise CommandFailed(argv, None, "", what) from error
        yield file.fileno()


def _shortened(text: str) -> str:
    visible = "".join(c if c.isprintable() else " " for c in text)
    return visible if len(visible) <= LAST_WORDS_CHARACTERS else visible[: LAST_WORDS_CHARACTERS - 1] + "…"
