"""Runs nodes as agents of launchd, the service manager of macOS, in the account of whoever runs wnm."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from msgspec import Struct

from wnm.core.contracts import Clock, Unit
from wnm.core.errors import NeedsOperator, Permanent, Transient, WnmError
from wnm.core.node import ProcessState
from wnm.core.observation import ProcessReading, Unseen
from wnm.formats.launchd import (
    LABEL_PREFIX,
    Service,
    Session,
    label_of,
    origin,
    plist_bytes,
    read_plist,
    services,
    unit_name_of,
)
from wnm.process_managers.unit_processes import UnitProcesses, last_output, log_bytes
from wnm.system.clock import until
from wnm.system.command import CommandFailed, run
from wnm.system.files import failing, make_private_dir, open_regular, write_private
from wnm.system.processes import Process, holds

# No such process, domain or service, and not in this domain, as `launchctl error NUMBER` explains them. Without a
# graphical session older systems say the first, newer ones the last.
NOT_THERE = frozenset({3, 112, 113, 125})


class Domain(Struct, frozen=True, kw_only=True):
    """A launchd domain: its name, the kind of session that it is, and the agents loaded there by label."""

    name: str
    session: Session
    services: Mapping[str, Service]


PATIENCE_WITH_LAUNCHCTL = timedelta(seconds=10)
WATCH_AFTER_START = timedelta(seconds=0.3)
# Loading a label that launchd is still letting go of fails, and has been seen to for five seconds.
PATIENCE_WITH_LABEL = timedelta(seconds=12)
# Then it is kicked, and given more time.
PATIENCE_FOR_PROCESS = (timedelta(seconds=1), timedelta(seconds=5))
LOOK_AGAIN = timedelta(seconds=0.2)
LARGEST_PLIST_BYTES = 4 * 1024 * 1024


class LaunchdDriver:
    """Implements `wnm.core.contracts.UnitDriver` with a property list for each unit in the user's LaunchAgents.

    launchd says what is loaded and how it ended; what runs is read from the process table by fingerprint, so that
    a process is found whichever session it was started in. Stopped means unloaded and disabled: launchd keeps
    that over reboots. It cannot enforce a unit's `writable` and `read_only`.
    """

    name = "launchd"
    restarts = True

    def __init__(
        self,
        clock: Clock,
        *,
        cores: float | None = None,
        agents_folder: str | None = None,
        launchctl: str = "/bin/launchctl",
        uid: int | None = None,
        prefix: str = LABEL_PREFIX,
        patience: timedelta = PATIENCE_WITH_LAUNCHCTL,
    ) -> None:
        """`cores` is how many cores 100 % of CPU stands for, `patience` how long one call of launchctl may take."""
        self._clock = clock
        self._folder = Path(agents_folder or Path.home() / "Library" / "LaunchAgents")
        self.folders: Sequence[str] = (str(self._folder),)
        self._program = launchctl
        self._uid = os.getuid() if uid is None else uid
        self._prefix = prefix
        self._patience = patience
        self._sessions: Mapping[str, Session] = {
            f"gui/{self._uid}": "Aqua",
            # An agent started here outlives the graphical session, but is not loaded again after a reboot.
            f"user/{self._uid}": "Background",
        }
        self._found = UnitProcesses(clock, cores)
        self._locks: dict[str, threading.Lock] = {}

    def why_not_here(self) -> NeedsOperator | None:
        """Return why this machine or account cannot have agents; None if it can."""
        if not os.access(self._program, os.X_OK):
            return NeedsOperator(
                f"the launchd process manager works only on macOS: there is no {self._program} here",
                remedy="give --process_manager systemd or setsid",
            )
        if self._uid == 0:
            return NeedsOperator(
                "agents of launchd belong to a user who logs in, and this is root",
                remedy="run wnm as that user, without sudo",
            )
        return None

    def install(self, unit: Unit) -> None:
        """Write its property list, disabled until it is started. Permanent if somebody else's is there."""
        with self._alone(unit) as label:
            self._put(unit, label, self._domain(), to_run=False)

    def start(self, unit: Unit) -> None:
        """Return when one process runs, this one or one from before. Transient, with its last words, if it ends."""
        if unit.user:
            raise Permanent(f"{unit.name} is to run as {unit.user}: agents of launchd run as who loads them")
        if not os.access(unit.argv[0], os.X_OK):
            raise Transient(f"{unit.name} cannot start: {unit.argv[0]} is missing or may not be run")
        with self._alone(unit) as label:
            domain = self._domain()
            self._put(unit, label, domain, to_run=True)
            self._call("enable", f"{domain.name}/{label}")
            if self._found.of(unit):
                return
            # Also what is loaded but does not run: it may be held back for minutes after failures, which no
            # kickstart shortens, or be an older version of the property list.
            self._boot_out(label, PATIENCE_WITH_LABEL)
            self._require_unloaded(label)
            before = log_bytes(unit)
            try:
                self._load(unit, label, domain)
                ended = self._ended_at_once(unit, label, domain)
            except WnmError:
                self._end(unit, label, WATCH_AFTER_START)
                raise
            if ended:
                self._end(unit, label, WATCH_AFTER_START)
                said = last_output(unit, since=before, instead=f"it wrote nothing ({unit.argv[0]})")
                raise Transient(f"{unit.name} ended at once with {ended}: {said}")

    def stop(self, unit: Unit, grace: timedelta) -> bool:
        """Disable and unload it, which sends TERM; after `grace` KILL. Other processes of the unit are ended too."""
        with self._alone(unit) as label:
            if not self._is_ours(unit, label):
                return self._found.end(unit, grace)
            return self._end(unit, label, grace)

    def status(self, units: Sequence[Unit]) -> Mapping[str, ProcessReading | Unseen]:
        """Ask launchd once and read the process table once, and both again if they contradict each other."""
        seen: dict[str, ProcessReading | Unseen] = {}
        for attempt in range(3 if units else 0):
            if attempt:
                self._clock.sleep(LOOK_AGAIN.total_seconds())
            try:
                # launchd first: what it has just started has become its program by the time the table is read.
                services = self._domain().services
                table = self._found.table(units)
            except Transient as error:
                return {unit.name: Unseen(reason=str(error)) for unit in units}
            for unit in units:
                seen[unit.name] = self._reading(unit, services, table.holding(unit.fingerprint))
            if not any(isinstance(each, Unseen) for each in seen.values()):
                break
        return seen

    def remove(self, unit: Unit) -> None:
        """Unload it and delete its property list.

        launchd keeps a line that says that the label is enabled; there is no call that takes it away.
        """
        with self._alone(unit) as label:
            if not self._is_ours(unit, label):
                return
            self._boot_out(label, PATIENCE_WITH_LABEL)
            self._require_unloaded(label)
            with failing(f"cannot remove {self._path(label)}"):
                self._path(label).unlink(missing_ok=True)
            # The next user of this label would wonder why it does not start.
            self._call("enable", f"{self._domain().name}/{label}")

    def claimed(self) -> Mapping[str, str]:
        """The names whose label is loaded or in a property list, by file name or content."""
        labels: list[tuple[str, str]] = []
        with failing(f"cannot look into {self._folder}"):
            paths = sorted(self._folder.iterdir()) if self._folder.exists() else []
        for path in paths:
            if path.suffix == ".plist":
                written = read_plist(_content(path) or b"")
                labels += [((written and written.label) or "", str(path)), (path.stem, str(path))]
        domain = self._domain()
        labels = [(label, f"{domain.name}/{label}") for label in domain.services] + labels
        return {name: place for label, place in labels if (name := unit_name_of(label, self._prefix))}

    def settle(self) -> None:
        """launchd has taken note of each change when the call that made it returned."""

    def _call(self, *arguments: str, patience: timedelta | None = None) -> str:
        """Return the output of launchctl. CommandFailed, which is Transient, if it fails or takes too long."""
        return run(
            [self._program, *arguments], self._patience if patience is None else min(patience, self._patience)
        ).stdout

    def _printed(self, target: str) -> str | None:
        """Return all that launchd says of a domain or service; None if there is none."""
        try:
            return self._call("print", target)
        except CommandFailed as error:
            if error.code in NOT_THERE:
                return None
            raise

    def _domain(self) -> Domain:
        """The user's graphical session, or the one beside it when nobody is logged in at the screen.

        Transient if launchd has neither, or cannot be understood.
        """
        for name, session in self._sessions.items():
            text = self._printed(name)
            if text is None:
                continue
            try:
                return Domain(name=name, session=session, services=services(text))
            except ValueError as error:
                raise Transient(f"cannot understand {self._program} print {name}: {error}") from error
        raise Transient(f"launchd has neither {' nor '.join(self._sessions)}: is that user logged in?")

    def _origins(self, label: str) -> Mapping[str, str]:
        """From which file each domain has loaded a service of this label; empty if none has."""
        printed = {name: self._printed(f"{name}/{label}") for name in self._sessions}
        return {
            name: origin(text) or "an unknown place" for name, text in printed.items() if text is not None
        }

    def _path(self, label: str) -> Path:
        return self._folder / f"{label}.plist"

    @contextmanager
    def _alone(self, unit: Unit) -> Iterator[str]:
        """The unit's label, while no other thread works on the unit."""
        label = label_of(unit.name, self._prefix)
        with self._locks.setdefault(label, threading.Lock()):
            yield label

    def _standing(self, unit: Unit, label: str) -> tuple[bytes | None, bool]:
        """Its property list as it is, None if there is none; and whether it is the one from before wnm.

        Permanent if it is neither that nor one that wnm wrote for this unit.
        """
        path = self._path(label)
        content = _content(path)
        if content is None:
            return None, False
        found = read_plist(content)
        if unit.found and found and found.unit is None and holds(found.argv, unit.fingerprint):
            return content, True
        own = (label, unit.name, unit.working_dir)
        if not found or (found.label, found.unit, found.working_dir) != own:
            raise Permanent(
                f"{path} was not written by wnm for {unit.name} in {unit.working_dir}: move it away"
            )
        return content, False

    def _is_ours(self, unit: Unit, label: str) -> bool:
        """Whether launchd has anything of this unit that may be changed."""
        try:
            if self._standing(unit, label)[0] is not None:
                return True
        except Permanent:
            return False
        return label in self._domain().services and not self._strange_origin(label)

    def _strange_origin(self, label: str) -> tuple[str, str] | None:
        """Return the domain that loaded the label from another file than ours, and that file."""
        own = os.path.realpath(self._path(label))
        return next((each for each in self._origins(label).items() if os.path.realpath(each[1]) != own), None)

    def _put(self, unit: Unit, label: str, domain: Domain, *, to_run: bool) -> None:
        """Make its property list what it is to be, and the folders of that and of its log."""
        standing, is_from_before = self._standing(unit, label)
        if is_from_before:
            return
        if standing is None:
            if strange := self._strange_origin(label):
                raise Permanent(
                    f"{strange[0]} has {label} already, loaded from {strange[1]}: unload it, or rename it"
                )
            if not to_run:
                # Or the next login would start it.
                self._call("disable", f"{domain.name}/{label}")
        make_private_dir(str(Path(unit.log_file).parent))
        content = plist_bytes(unit, label, domain.session)
        # launchd refuses what others could have written.
        if content == standing and not self._path(label).lstat().st_mode & 0o022:
            return
        with failing(f"cannot make {self._folder}"):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(str(self._path(label)), content)

    def _load(self, unit: Unit, label: str, domain: Domain) -> None:
        """Return when launchd has loaded it; it starts it by itself."""
        failure: CommandFailed | None = None

        def is_loaded() -> bool:
            nonlocal failure
            try:
                self._call("bootstrap", domain.name, str(self._path(label)))
            except CommandFailed as error:
                failure = error
                # Its codes do not tell "already there" from "not now": what is there does.
                return domain.name in self._origins(label)
            return True

        if not until(is_loaded, PATIENCE_WITH_LABEL, self._clock):
            raise Transient(f"launchd does not load {unit.name}: {failure}") from failure

    def _ended_at_once(self, unit: Unit, label: str, domain: Domain) -> str | None:
        """Return how a just loaded program ended; None if it runs. Transient if launchd does not even start it."""
        for attempt, patience in enumerate(PATIENCE_FOR_PROCESS):
            if attempt:
                # It has been seen to load an agent and forget to start it. The process table says whether it runs.
                with suppress(CommandFailed):
                    self._call("kickstart", f"{domain.name}/{label}")
            if until(lambda: bool(self._found.of(unit)), WATCH_AFTER_START, self._clock) or until(
                lambda: bool(self._found.of(unit)) or self._last_end(label) is not None,
                patience,
                self._clock,
            ):
                break
        else:
            raise Transient(f"launchd does not start {unit.name}: it is loaded as {domain.name}/{label}")
        if self._found.of(unit) and not until(
            lambda: not self._found.of(unit), WATCH_AFTER_START, self._clock
        ):
            return None
        until(lambda: self._last_end(label) is not None, WATCH_AFTER_START, self._clock)
        return self._last_end(label) or "an unknown code"

    def _last_end(self, label: str) -> str | None:
        """Return how the last process of a loaded agent ended; None if it runs, or has not ended yet."""
        found = self._domain().services.get(label)
        return None if found is None or found.pid or found.status is None else f"code {found.status}"

    def _end(self, unit: Unit, label: str, grace: timedelta) -> bool:
        """Disable, unload and end it; True if it had to be killed."""
        deadline = self._clock.monotonic() + grace.total_seconds()
        domain = self._domain()
        loaded = domain.services.get(label)
        # First of all: whatever happens from here on, a reboot does not bring it back.
        self._call("disable", f"{domain.name}/{label}")
        self._boot_out(label, grace)
        left = timedelta(seconds=max(deadline - self._clock.monotonic(), 0))
        killed = self._found.end(unit, left, spare=loaded.pid if loaded else None)
        self._require_unloaded(label)
        return killed

    def _boot_out(self, label: str, timeout: timedelta) -> None:
        """Ask every domain to end and forget it. Whether it did, now or later, is for `_origins` to say.

        launchctl may come back before, during or after that, with 0, "in progress" or "input/output error".
        """
        for name in self._origins(label):
            with suppress(CommandFailed):
                self._call("bootout", f"{name}/{label}", patience=timeout)

    def _require_unloaded(self, label: str) -> None:
        if not until(lambda: not self._origins(label), PATIENCE_WITH_LABEL, self._clock):
            seconds = PATIENCE_WITH_LABEL.total_seconds()
            raise Transient(f"launchd still holds {label} after {seconds:g} s")

    def _reading(
        self, unit: Unit, services: Mapping[str, Service], processes: Sequence[Process]
    ) -> ProcessReading | Unseen:
        try:
            loaded = services.get(label_of(unit.name, self._prefix))
        except Permanent as error:
            return Unseen(reason=str(error))
        if processes:
            return self._found.reading(processes[-1])
        if loaded and loaded.pid:
            return Unseen(reason=f"launchd runs something else as {unit.name}: {loaded.pid}")
        failed = loaded is not None and loaded.status not in (None, 0)
        return ProcessReading(state=ProcessState.FAILED if failed else ProcessState.STOPPED)


def _content(path: Path) -> bytes | None:
    """A property list; None if there is none, nothing (which nobody wrote for a unit) if it is not a file."""
    try:
        with open_regular(str(path), follow_link=False) as file:
            return file.read(LARGEST_PLIST_BYTES)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise Transient(f"cannot read {path}: {error.strerror}") from error
    except OSError:
        return b""
