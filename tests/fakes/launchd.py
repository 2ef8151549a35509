"""The stand-in for launchd: loads property lists, runs what they say and answers the stand-in for launchctl.

Usage: python -m tests.fakes.launchd STATE_FOLDER. It behaves as launchd does for the agents of one user, with the
codes of macOS 13 to 26; `config` in the folder says how fast its clock runs and which of the observed variants it
plays. It ends, with all that it started, on TERM. Standard library only.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from tests.fakes import launchd_job
from tests.fakes.launchd_answers import Answer, Answers, failed
from tests.fakes.launchd_job import Job

SESSIONS = {"gui": "Aqua", "user": "Background"}


class Launchd:
    """Everything that launchd knows. Times are on the monotonic clock, in seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config: dict[str, Any] = json.loads((folder / "config").read_text())
        self.user_id = int(self.config["uid"])
        self.agents = Path(self.config["agents"])
        self.has_gui = bool(self.config["gui"])
        self.jobs: dict[tuple[str, str], Job] = {}
        self.waiting: list[tuple[socket.socket, Job, float]] = []
        self.answers = Answers(self)

    @property
    def domains(self) -> list[str]:
        """The domains that there are."""
        return [f"gui/{self.user_id}", f"user/{self.user_id}"][0 if self.has_gui else 1 :]

    def disabled(self) -> dict[str, bool]:
        """The overrides of the user, the same for all domains: /var/db/com.apple.xpc.launchd/disabled.UID.plist."""
        path = self.folder / "disabled"
        found: dict[str, bool] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def override(self, label: str, disabled: bool) -> None:
        """Keep an override, over reboots. There is no way to take one away."""
        (self.folder / "disabled").write_text(json.dumps(self.disabled() | {label: disabled}))

    def load(self, domain: str, path: str) -> Answer:
        """Load a property list into a domain."""
        plist, code, reason = launchd_job.read(path, self.user_id)
        if plist is None:
            self.log(f"{path}: {reason}")
            # With 122 it says why, with 5 only its log does.
            return failed(code, "Bootstrap", f"{path}: {reason}\n" if code == 122 else "")
        label = str(plist["Label"])
        if self.disabled().get(label, bool(plist.get("Disabled"))):
            return failed(self.config["code_disabled"], "Bootstrap")
        if (domain, label) in self.jobs:
            # Also while it is on its way out.
            return failed(self.config["code_loaded"], "Bootstrap")
        wanted = plist.get("LimitLoadToSessionType", "Aqua")
        if SESSIONS[domain.split("/")[0]] not in ([wanted] if isinstance(wanted, str) else wanted):
            return failed(134, "Bootstrap")
        job = Job(label=label, path=path, domain=domain, plist=plist, environment=self.environment(label))
        self.jobs[domain, label] = job
        if job.starts_when_loaded() and not self.config["forgets_to_start"]:
            job.spawn_at = time.monotonic()
        return Answer()

    def unload(self, job: Job) -> None:
        """TERM, after its exit timeout KILL, and forget it some time after its end."""
        if job.leaving:
            return
        job.leaving, job.spawn_at = True, None
        if not job.pid:
            job.forget_at = time.monotonic()
            return
        job.send(signal.SIGTERM)
        if job.exit_seconds:
            job.kill_at = time.monotonic() + job.exit_seconds

    def log_out(self) -> None:
        """The end of all sessions, and of the machine if one likes: everything is unloaded at once."""
        for job in self.jobs.values():
            self.unload(job)
        deadline = time.monotonic() + self.config["log_out_seconds"]
        while self.jobs:
            if time.monotonic() > deadline:
                for job in self.jobs.values():
                    job.send(signal.SIGKILL)
            self.tick()
            time.sleep(0.01)

    def log_in(self) -> None:
        """Load the agents of the user into the graphical session: regular *.plist files, unless disabled.

        What belongs to the Background session is not loaded again (home-manager issue 9656, macOS 26), and
        links are not followed (macOS 14 and later).
        """
        if self.has_gui and self.agents.is_dir():
            for path in sorted(self.agents.glob("*.plist")):
                if not path.name.startswith(".") and not path.is_symlink():
                    self.load(f"gui/{self.user_id}", str(path))

    def environment(self, label: str) -> dict[str, str]:
        """What every agent gets."""
        return {
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.folder),
            "USER": "user",
            "LOGNAME": "user",
            "SHELL": "/bin/sh",
            "XPC_SERVICE_NAME": label,
        }

    def tick(self) -> float:
        """Do what is due; returns how many seconds it can wait."""
        now = time.monotonic()
        for key, job in list(self.jobs.items()):
            if job.reap():
                if job.leaving:
                    job.forget_at = now + self.config["lingers_seconds"]
                elif job.comes_back():
                    earliest = job.spawned_at + job.throttle_seconds * self.config["throttle_scale"]
                    job.spawn_at = max(now, earliest)
            if job.kill_at is not None and now >= job.kill_at:
                # Only the process itself, not its group.
                job.send(signal.SIGKILL)
                job.kill_at = None
            if job.spawn_at is not None and now >= job.spawn_at and not job.pid:
                job.spawn(now)
            if job.forget_at is not None and now >= job.forget_at:
                del self.jobs[key]
        for connection, job, until in list(self.waiting):
            gone = job not in self.jobs.values()
            if gone or now >= until:
                self.waiting.remove((connection, job, until))
                reply(connection, Answer() if gone else failed(36, "Boot-out"))
        return 0.02 if self.jobs or self.waiting else 1.0

    def serve(self, connection: socket.socket) -> None:
        """Answer one call."""
        with contextlib.suppress(OSError, ValueError):
            connection.settimeout(2)
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
            answer = self.answers.to(received.decode().split("\0"))
            if isinstance(answer, Job):
                self.waiting.append((connection, answer, time.monotonic() + self.config["bootout_seconds"]))
            else:
                reply(connection, answer)

    def log(self, text: str) -> None:
        """What the unified log would show."""
        with (self.folder / "log").open("a") as log:
            log.write(text + "\n")


def reply(connection: socket.socket, answer: Answer) -> None:
    """Send an answer, unless nobody waits for it any more."""
    with connection, contextlib.suppress(OSError):
        connection.sendall("\0".join((str(answer.code), answer.stdout, answer.stderr)).encode())


def main() -> None:
    """Serve until TERM, then end everything."""
    folder = Path(sys.argv[1])
    launchd = Launchd(folder)
    asked_to_end = False

    def end(*_: object) -> None:
        nonlocal asked_to_end
        asked_to_end = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    with socket.socket(socket.AF_UNIX) as door, selectors.DefaultSelector() as selector:
        door.bind(str(folder / "socket"))
        door.listen(128)
        selector.register(door, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        print("ready", flush=True)
        while not asked_to_end:
            for key, _ in selector.select(launchd.tick()):
                if key.fileobj is door:
                    launchd.serve(door.accept()[0])
                else:
                    os.read(woken, 4096)
    launchd.config["log_out_seconds"] = 0
    launchd.log_out()


if __name__ == "__main__":
    main()
