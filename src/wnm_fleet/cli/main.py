"""The commands of `wnm-fleet` and `clawbernetes`: words into calls of the service, and what it says into text or JSON.

Exit codes: 0 fine, 1 the thing failed, 2 usage, 3 out of reach or a person is needed, 4 not found, 5 not allowed.
"""

import os
import re
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from wnm.core.codec import encode
from wnm.core.errors import BadInput, NeedsOperator, WnmError
from wnm_fleet.cli import words
from wnm_fleet.core.quantities import duration, size_text
from wnm_fleet.core.specs import Written, from_file, merged, spec_of
from wnm_fleet.core.workload import State, Workload
from wnm_fleet.engine.contract import EngineUnreachable, LogLine
from wnm_fleet.service.local import LocalFleet

DEFAULT_URL = "ws://localhost:9000"
LEVELS = ("debug", "info", "warn", "error", "fatal")
_LEVEL = re.compile(r"\b(debug|info|warn|warning|error|fatal|critical|panic|trace)\b", re.IGNORECASE)
_SAME = {"warning": "warn", "critical": "fatal", "panic": "fatal", "trace": "debug"}
as_json = click.option("--json", "is_json", is_flag=True, help="Print JSON.")


class Failed(click.ClickException):
    """An error in one line, with its exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code: int = code  # type: ignore[misc]  # click declares it for the class

    def show(self, file: Any = None) -> None:
        click.echo(f"wnm-fleet: {self.format_message()}", err=True)


@contextmanager
def told() -> Iterator[None]:
    """Turn errors of ours into one line and their exit code."""
    try:
        yield
    except EngineUnreachable as error:
        raise Failed(f"{error}: start it, then try again: sudo systemctl start docker", 3) from None
    except WnmError as error:
        raise Failed(str(error), error.exit_code) from None


@contextmanager
def fleet() -> Iterator[LocalFleet]:
    """Give the fleet that CLAWBERNETES_GATEWAY_URL names: `local:` is this machine."""
    url = os.environ.get("CLAWBERNETES_GATEWAY_URL") or DEFAULT_URL
    if url.partition(":")[0] != "local":
        remedy = "for this machine alone set CLAWBERNETES_GATEWAY_URL=local:"
        raise Failed(f"ECONNREFUSED: no gateway answers at {url}: {remedy}", 3)
    with told():
        opened = LocalFleet(folder())
        try:
            yield opened
        finally:
            opened.close()


def folder() -> Path:
    """Return the folder of the fleet's files: WNM_FLEET_HOME, else beside the data of this account."""
    if given := os.environ.get("WNM_FLEET_HOME"):
        return Path(given)
    return Path("/var/lib/wnm-fleet") if os.geteuid() == 0 else Path.home() / ".local/share/wnm-fleet"


def since_of(text: str | None) -> datetime | None:
    """Return the time of `2h`, `1h ago` or an ISO time; UTC where that names no zone."""
    if text is None:
        return None
    try:
        return datetime.now(UTC) - duration(text.strip().removesuffix("ago"))
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"--since {text!r} is no time: write it as 2h, '1h ago' or 2026-12-01T12:00") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def width() -> int:
    """Return how wide a table may be; a file or pipe has no end of a line."""
    return os.get_terminal_size().columns if sys.stdout.isatty() else 200


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="wnm", prog_name="wnm-fleet")
def main() -> None:
    """Run work in containers on this machine's GPUs."""


@main.command()
@as_json
def status(is_json: bool) -> None:
    """Show machines, GPUs and workloads in numbers."""
    with fleet() as here:
        view = here.view()
    gpus, busy = len(view.gpus), len(view.holders)
    memory = [gpu.memory_total_bytes or 0 for gpu in view.gpus if gpu.parent is None]
    found: dict[str, Any] = {
        "nodes": 1,
        "healthy": int(words.status_of(view) == "healthy"),
        "gpus": gpus,
        "gpus_busy": busy,
        "gpus_faulty": len(view.faults),
        "vram_bytes": sum(memory),
        "workloads": {"running": len(view.live), "pending": len(view.waiting)},
        "problems": list(view.problems),
    }
    if is_json:
        click.echo(words.put_json(found))
        return
    click.echo(f"nodes      1 ({found['healthy']} healthy)")
    faulty = f", {len(view.faults)} with a fault" if view.faults else ""
    click.echo(
        f"GPUs       {gpus} ({busy} busy{faulty}), {size_text(sum(memory)) if memory else 0} of memory"
    )
    click.echo(f"workloads  {len(view.live)} running, {len(view.waiting)} pending")
    for problem in view.problems:
        click.echo(f"problem    {problem}")


@main.group()
def node() -> None:
    """Show machines."""


@node.command("list")
@click.option("--available", is_flag=True, help="Only machines with a GPU that takes work.")
@click.option(
    "--gpu-type", metavar="TYPE", help="Only machines with GPUs whose model holds TYPE, such as A100."
)
@as_json
def node_list(available: bool, gpu_type: str | None, is_json: bool) -> None:
    """List machines with their GPUs."""
    with fleet() as here:
        view = here.view()
    views = [view] if (not available or words.has_free_gpu(view)) and _has_model(view, gpu_type) else []
    if is_json:
        click.echo(words.put_json([words.machine_payload(each) for each in views]))
        return
    headings = ("NODE", "STATUS", "GPUS", "MODEL", "VRAM", "LOAD", "WORKLOADS")
    click.echo(words.table(headings, [words.machine_row(each) for each in views], width()))


def _has_model(view: Any, model: str | None) -> bool:
    return model is None or any(model.lower() in (gpu.name or "").lower() for gpu in view.gpus)


@node.command("info")
@click.argument("node_id")
@as_json
def node_info(node_id: str, is_json: bool) -> None:
    """Show one machine with its GPUs and workloads."""
    with fleet() as here:
        view = here.view()
        _known(view.name, node_id)
    if is_json:
        click.echo(words.put_json(words.machine_payload(view)))
        return
    click.echo("\n".join(words.machine_lines(view)))
    if view.gpus:
        headings = ("GPU", "MODEL", "UUID", "MEMORY", "LOAD", "HEAT", "WORKLOAD")
        click.echo("\n" + words.table(headings, words.gpu_rows(view), width()))


@node.command("events")
@click.argument("node_id")
@click.option("--since", metavar="TIME", help="Only events since then: 2h, '1h ago' or an ISO time.")
@as_json
def node_events(node_id: str, since: str | None, is_json: bool) -> None:
    """Show what happened on a machine, newest last."""
    with fleet() as here:
        _known(here.name, node_id)
        found = here.store.all_events(since_of(since))
    if is_json:
        click.echo(words.put_json([{**encode(each), "is": "event"} for each in found]))
        return
    rows = [
        (f"{each.at:%Y-%m-%d %H:%M:%S}", each.subject_id, each.kind, _detail(each.detail)) for each in found
    ]
    click.echo(words.table(("AT (UTC)", "SUBJECT", "EVENT", "DETAIL"), rows, width()))


def _detail(detail: Any) -> str:
    return " ".join(f"{name}={value}" for name, value in detail.items() if value is not None)


def _known(name: str, text: str) -> None:
    if not text or not name.startswith(text):
        raise Failed(f"there is no node {text!r}: see wnm-fleet node list", 4)


@main.command()
@click.option("--image", metavar="IMAGE", help="The container image to run.")
@click.option("--gpus", metavar="N", help="GPUs: a number, all, or indices such as 0,1.")
@click.option("--gpu-type", metavar="TYPE", help="Only GPUs whose model holds TYPE, such as A100.")
@click.option("--command", metavar="'CMD'", help="The command in the container; it replaces the image's own.")
@click.option("--name", metavar="NAME", help="A name to find it by.")
@click.option("--memory", metavar="SIZE", help="The memory limit, such as 32Gi (2Gi where none is given).")
@click.option("--cpus", type=float, metavar="N", help="The limit of CPU cores.")
@click.option("--priority", metavar="LEVEL", help="low, normal or high.")
@click.option("--timeout", metavar="TIME", help="The longest time it may run, such as 24h.")
@click.option(
    "--env", multiple=True, metavar="NAME=VALUE", help="A variable of its environment (repeatable)."
)
@click.option("--mount", multiple=True, metavar="SRC:DST[:ro]", help="A folder of the machine (repeatable).")
@click.option(
    "--port", multiple=True, metavar="[HOST:]PORT", help="A port that is reached from outside (repeatable)."
)
@click.option("--shm", metavar="SIZE", help="The size of its shared memory.")
@click.option("--pids", type=int, metavar="N", help="The most processes it may have.")
@click.option("--retries", type=int, metavar="N", help="How often it is started again when it fails.")
@click.option("--grace", metavar="TIME", help="The time between the request to end and the end by force.")
@click.option("--node", metavar="NODE", help="Run it on this machine only.")
@click.option(
    "-f", "--file", type=click.Path(path_type=Path), metavar="FILE", help="A file; options stand over it."
)
@click.option("--watch", is_flag=True, help="Wait until it runs or is over, and show how far it is.")
@as_json
@click.argument("arguments", nargs=-1)
def run(file: Path | None, watch: bool, is_json: bool, arguments: tuple[str, ...], **given: Any) -> None:
    """Submit a workload. What follows -- are arguments of the image's own program."""
    with told():
        spec = spec_of(merged(Written() if file is None else _read(file), _options(given, arguments)))
    with fleet() as here:
        workload = here.submit(spec)
        here.sweep()
        if watch:
            workload = _watch(here, workload, quiet=is_json)
        workload = here.store.find(workload.id).workload
        wait = here.waits().get(workload.id) if workload.state is State.PENDING else None
    if is_json:
        click.echo(words.put_json(words.workload_payload(workload, wait)))
    else:
        click.echo(workload.id)
        limit = "" if spec.memory_bytes else f", memory limit {size_text(workload.memory_bytes)} (--memory)"
        why = "" if wait is None else f": {words.wait_words(wait)}"
        click.echo(f"{workload.state.value}{why}{limit}", err=True)
    if workload.state is State.FAILED:
        raise Failed(words.end_words(workload.end) if workload.end else "it failed", 1)


def _options(given: dict[str, Any], arguments: tuple[str, ...]) -> Written:
    """Return the options as they were given."""
    listed = {
        "env": given.pop("env"),
        "mounts": given.pop("mount"),
        "ports": given.pop("port"),
        "args": arguments,
    }
    lists: dict[str, Any] = {name: list(value) or None for name, value in listed.items()}
    return Written(**given, **lists)


def _read(file: Path) -> Written:
    import yaml  # only for files

    try:
        return from_file(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeError) as error:
        raise BadInput(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except yaml.YAMLError as error:
        raise BadInput(f"{file} is no YAML: {' '.join(str(error).split())}") from None


def _watch(here: LocalFleet, workload: Workload, *, quiet: bool) -> Workload:
    """Sweep until a workload runs or is over, telling each change and how far its image is."""
    last = ""
    while True:
        now = here.store.find(workload.id).workload
        line = now.state.value
        if now.state is State.STARTING and (pull := here.pull_of(now)) is not None:
            done = f": {size_text(pull.done_bytes)}" if pull.done_bytes else ""
            line = f"pulling {pull.image}{done}"
        elif now.state is State.PENDING:
            wait = here.waits().get(now.id)
            line = "pending" if wait is None else f"pending: {words.wait_words(wait)}"
            if now.end is not None:
                line = f"{line} ({words.end_words(now.end)})"
        if line != last and not quiet:
            click.echo(line, err=True)
            last = line
        if now.state is State.RUNNING or now.state.is_over:
            return now
        time.sleep(0.5)
        here.sweep()


@main.group()
def workload() -> None:
    """Show, follow and cancel workloads."""


@workload.command("status")
@click.argument("workload_id")
@as_json
def workload_status(workload_id: str, is_json: bool) -> None:
    """Show one workload: state, machine, GPUs, times, exit code and reason."""
    with fleet() as here:
        here.sweep()
        found = here.store.find(workload_id).workload
        wait = here.waits().get(found.id) if found.state is State.PENDING else None
    if is_json:
        click.echo(words.put_json(words.workload_payload(found, wait)))
    else:
        click.echo("\n".join(words.workload_lines(found, datetime.now(UTC), wait)))


@workload.command("list")
@click.option("--running", is_flag=True, help="Only those that run.")
@click.option("--mine", is_flag=True, help="Only those that you submitted.")
@click.option(
    "--since", metavar="TIME", help="Only those that started since then: 2h, '1h ago' or an ISO time."
)
@as_json
def workload_list(running: bool, mine: bool, since: str | None, is_json: bool) -> None:
    """List workloads, oldest first."""
    import getpass

    with fleet() as here:
        after = since_of(since)
        here.sweep()
        found = here.store.workloads(
            [State.RUNNING] if running else None,
            owner=getpass.getuser() if mine else None,
            started_after=after,
        )
        waits = here.waits() if any(kept.workload.state is State.PENDING for kept in found) else {}
    if is_json:
        every = [words.workload_payload(each.workload, waits.get(each.workload.id)) for each in found]
        click.echo(words.put_json(every))
        return
    headings = ("ID", "NAME", "STATE", "GPUS", "AGE", "IMAGE", "REASON")
    now = datetime.now(UTC)
    rows = [words.workload_row(each.workload, now, waits.get(each.workload.id)) for each in found]
    click.echo(words.table(headings, rows, width()))


@workload.command("cancel")
@click.argument("workload_id")
def workload_cancel(workload_id: str) -> None:
    """Cancel a workload: one that waits at once, one that runs with its grace."""
    with fleet() as here:
        after = here.cancel(workload_id)
        if after.state.is_over:
            click.echo(f"{after.id} {after.state.value}")
            return
        for _ in range(2):  # One that ends it, one that sees its end.
            here.sweep()
        after = here.store.find(after.id).workload
        click.echo(f"{after.id} {after.state.value if after.state.is_over else 'is being stopped'}")


def _log_options(command: Any) -> Any:
    """Add the options of both commands that show output."""
    for option in (
        click.option(
            "--context", type=click.IntRange(0, 1000), default=0, metavar="N", help="Lines around each one."
        ),
        click.option("--search", metavar="PATTERN", help="Only lines that the regular expression finds."),
        click.option("--since", metavar="TIME", help="Only lines since then: 2h, '1h ago' or an ISO time."),
        click.option("-f", "--follow", is_flag=True, help="Go on with new lines until it ends."),
        click.option("--level", type=click.Choice(LEVELS), help="Only lines of this level or above."),
        click.option(
            "--tail",
            type=click.IntRange(0),
            metavar="N",
            is_flag=False,
            flag_value=100,
            help="The last N lines (100).",
        ),
        click.argument("workload_id"),
    ):
        command = option(command)
    return command


@main.command("logs")
@_log_options
def logs(workload_id: str, **options: Any) -> None:
    """Show the output of a workload."""
    _show_logs(workload_id, **options)


@workload.command("logs")
@_log_options
def workload_logs(workload_id: str, **options: Any) -> None:
    """Show the output of a workload."""
    _show_logs(workload_id, **options)


def _show_logs(
    workload_id: str,
    tail: int | None,
    level: str | None,
    follow: bool,
    since: str | None,
    search: str | None,
    context: int,
) -> None:
    with told():
        wanted = _wanted(level, search)
        after = since_of(since)
    with fleet() as here:
        found = here.store.find(workload_id).workload
        lines = here.logs(found, since=after)
        shown: Iterable[LogLine] = _around(lines, wanted, context)
        if tail is not None:
            shown = deque(shown, maxlen=tail) if tail else ()
        last = after
        for line in shown:
            _print(line)
            last = line.at
        if follow and not found.state.is_over:
            for line in _around(here.logs(found, since=last, follow=True), wanted, context):
                if last is None or line.at > last:
                    _print(line)


def _print(line: LogLine) -> None:
    click.echo(line.text, err=line.stream.value == "stderr")


def _wanted(level: str | None, search: str | None) -> Any:
    """Return the test of a line: its level is at least `level`, and the pattern is found in it."""
    try:
        pattern = None if search is None else re.compile(search)
    except re.error as error:
        raise BadInput(f"--search {search!r} is no regular expression: {error}") from None
    lowest = None if level is None else LEVELS.index(level)

    def test(line: LogLine) -> bool:
        if pattern is not None and not pattern.search(line.text):
            return False
        if lowest is None:
            return True
        found = _LEVEL.search(line.text)
        word = "" if found is None else found[1].lower()
        word = _SAME.get(word, word)
        return word in LEVELS and LEVELS.index(word) >= lowest

    return test


def _around(lines: Iterable[LogLine], wanted: Any, context: int) -> Iterator[LogLine]:
    """Yield the lines that are wanted and `context` lines before and after each, none of them twice."""
    before: deque[LogLine] = deque(maxlen=context)
    left = 0
    for line in lines:
        if wanted(line):
            yield from before
            before.clear()
            yield line
            left = context
        elif left:
            yield line
            left -= 1
        else:
            before.append(line)


@main.command()
def sweep() -> None:
    """Do one round of the queue: start what may start, and see what ended."""
    with fleet() as here:
        report = here.sweep()
        if report is None:
            raise NeedsOperator("another sweep is under way", remedy="try again when it is done")
    for name, ids in (
        ("started", report.started),
        ("over", report.over),
        ("unknown containers", report.unknown),
    ):
        if ids:
            click.echo(f"{name}: {', '.join(ids)}")
    for problem in report.problems:
        click.echo(f"problem: {problem}", err=True)
    if report.problems:
        sys.exit(3)
