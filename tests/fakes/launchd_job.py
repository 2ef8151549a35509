"""One job of the stand-in for launchd: what a property list says, and the process that comes of it."""

import os
import plistlib
import resource
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

# launchd's own end code for a program, folder or log that it cannot use: EX_CONFIG of sysexits.h.
CANNOT_BE_RUN = 78
# launchd(8), "exit timeout" as `launchctl print` shows it on macOS 12 to 26 for a plist without ExitTimeOut.
EXIT_TIMEOUT_SECONDS = 5.0
THROTTLE_SECONDS = 10.0
# launchd-842 core.c and launchd.plist(5), KeepAlive: these count as a crash, KILL and TERM do not.
CRASHES = {
    signal.SIGILL,
    signal.SIGABRT,
    signal.SIGFPE,
    signal.SIGBUS,
    signal.SIGSEGV,
    signal.SIGSYS,
    signal.SIGTRAP,
}
LIMITS = {
    "NumberOfFiles": resource.RLIMIT_NOFILE,
    "Core": resource.RLIMIT_CORE,
    "FileSize": resource.RLIMIT_FSIZE,
    "Stack": resource.RLIMIT_STACK,
}


@dataclass
class Job:
    """A loaded service. `status` is how its last process ended, negative for a signal; None if none has ended yet.

    `spawn_at`, `kill_at` and `forget_at` are when it is to be started, killed and forgotten; None for never.
    """

    label: str
    path: str
    domain: str
    plist: dict[str, Any]
    pid: int | None = None
    status: int | None = None
    runs: int = 0
    spawned_at: float = 0.0
    spawn_at: float | None = None
    kill_at: float | None = None
    forget_at: float | None = None
    leaving: bool = False
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def throttle_seconds(self) -> float:
        """How long after a start the next one may follow; 0 is not taken seriously, by the real one neither."""
        return float(self.plist.get("ThrottleInterval") or THROTTLE_SECONDS)

    @property
    def exit_seconds(self) -> float | None:
        """Between TERM and KILL. None, for ever, if the property list says 0."""
        return float(self.plist.get("ExitTimeOut", EXIT_TIMEOUT_SECONDS)) or None

    def starts_when_loaded(self) -> bool:
        """RunAtLoad, or a KeepAlive that implies it."""
        keep = self.plist.get("KeepAlive", False)
        return bool(self.plist.get("RunAtLoad")) or keep is True or "SuccessfulExit" in (keep or {})

    def comes_back(self) -> bool:
        """Whether KeepAlive wants it again after its process ended with `status`; several conditions are ORed."""
        keep = self.plist.get("KeepAlive", False)
        if not isinstance(keep, dict):
            return bool(keep)
        status = self.status or 0
        crashed = status < 0 and -status in CRASHES
        return ("SuccessfulExit" in keep and keep["SuccessfulExit"] == (status == 0)) or (
            "Crashed" in keep and keep["Crashed"] == crashed
        )

    def spawn(self, now: float) -> None:
        """Start its program as a process that leads a group of its own."""
        self.runs += 1
        self.spawned_at, self.spawn_at = now, None
        self.pid = os.fork()
        if not self.pid:
            self._become()

    def send(self, number: int) -> None:
        """Signal its process, if it has one."""
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def reap(self) -> bool:
        """Take note of the end of its process; False while there is nothing to note.

        What is left of the process group gets TERM, which it may ignore (measured on macOS 15; TN2083).
        """
        if not self.pid or not os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return False
        if not self.plist.get("AbandonProcessGroup"):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGTERM)
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        self.pid = self.kill_at = None
        return True

    def _become(self) -> NoReturn:
        """In the child: never comes back to the caller."""
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            for each in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                with suppress(OSError):
                    signal.signal(each, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.umask(int(self.plist.get("Umask", 0o022)))
            for key, number in LIMITS.items():
                self._limit(key, number)
            os.chdir(self.plist.get("WorkingDirectory", "/"))
            for descriptor, key, flags in (
                (0, "StandardInPath", os.O_RDONLY),
                (1, "StandardOutPath", os.O_WRONLY | os.O_APPEND | os.O_CREAT),
                (2, "StandardErrorPath", os.O_WRONLY | os.O_APPEND | os.O_CREAT),
            ):
                opened = os.open(self.plist.get(key, os.devnull), flags, 0o666)
                os.dup2(opened, descriptor)
                if opened > 2:
                    os.close(opened)
            arguments = self.plist.get("ProgramArguments") or [self.plist["Program"]]
            environment = self.environment | self.plist.get("EnvironmentVariables", {})
            os.execvpe(self.plist.get("Program", arguments[0]), arguments, environment)
        finally:
            os._exit(CANNOT_BE_RUN)

    def _limit(self, key: str, number: int) -> None:
        soft, hard = resource.getrlimit(number)
        hard = self.plist.get("HardResourceLimits", {}).get(key, hard)
        soft = self.plist.get("SoftResourceLimits", {}).get(key, soft)
        resource.setrlimit(number, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def read(path: str, user_id: int) -> tuple[dict[str, Any] | None, int, str]:
    """The property list of a file, or the code and reason for which launchd does not take it."""
    try:
        seen = os.lstat(path)
        if seen.st_uid != user_id or seen.st_mode & 0o022:
            return None, 122, "Path had bad ownership/permissions"
        plist = plistlib.loads(Path(path).read_bytes())
        if not plist["Label"] or not (plist.get("Program") or plist["ProgramArguments"][0]):
            return None, 5, "Invalid or missing Program/ProgramArguments"
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not loaded
        # A file that is missing, is none or says nothing useful: 5 on macOS 11 to 26, the reason only in the log.
        return None, 5, f"Invalid property list: {error}"
    return plist, 0, ""
