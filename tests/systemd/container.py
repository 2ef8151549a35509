"""A test machine as seen from the host: started, told what to do, restarted, removed."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SCRIPT = str(CHECKOUT / "scripts" / "container.sh")
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def why_not() -> str | None:
    """Why no machine can be started here; None if one can."""
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"Docker cannot be asked: {error}"
    return None if asked.returncode == 0 else f"no Docker engine answers: {asked.stderr.strip()}"


def _run(argv: Sequence[str], given: str | None, timeout: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, input=given, capture_output=True, text=True, check=False, timeout=timeout)


def _do(*argv: str, timeout: float = 120) -> str:
    """What a command of the host prints; AssertionError with its last words if it fails."""
    ran = _run(argv, None, timeout)
    assert ran.returncode == 0, f"{' '.join(argv)}: {ran.stderr[-2000:]}"
    return ran.stdout.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A running container with systemd, and a copy of this checkout installed in it (`/opt/wnm-venv/bin/wnm`)."""

    id: str

    def exec(
        self,
        argv: Sequence[str],
        *,
        user: str = "root",
        environment: Mapping[str, str] | None = None,
        given: str | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the machine as a user, with the text `given` to its input; `timeout` in seconds.

        `systemctl --user` works in it for a user who lingers. Raises subprocess.TimeoutExpired.
        """
        command = ["docker", "exec", "--user", user]
        if given is not None:
            command += ["--interactive"]
        for name, value in {**self._session(user), **(environment or {})}.items():
            command += ["--env", f"{name}={value}"]
        return _run([*command, self.id, *argv], given, timeout)

    def do(self, *argv: str, user: str = "root", timeout: float = 60) -> str:
        """What a program in the machine prints; AssertionError with its last words if it fails."""
        ran = self.exec(argv, user=user, timeout=timeout)
        assert ran.returncode == 0, f"{' '.join(argv)}: {ran.stdout[-2000:]}{ran.stderr[-2000:]}"
        return ran.stdout.strip()

    def write(self, path: str, text: str) -> None:
        """Write a file of root's in the machine."""
        ran = self.exec(["tee", path], given=text)
        assert ran.returncode == 0, ran.stderr

    def boot_id(self) -> str:
        """The id of this boot, a new one after each restart."""
        return self.do("cat", BOOT_ID)

    def set_boot_id(self, boot_id: str) -> None:
        """Pretend, until the next restart, that this boot has another id."""
        self.write("/run/pretended_boot_id", f"{boot_id}\n")
        self.do("mount", "--bind", "-o", "ro", "/run/pretended_boot_id", BOOT_ID)

    def restart(self) -> None:
        """Reboot in good order; returns when systemd is up again."""
        _do("docker", "restart", "--time", "60", self.id)
        _do(SCRIPT, "ready", self.id)

    def crash(self) -> None:
        """Cut the power and give it back; returns when systemd is up again."""
        _do("docker", "kill", self.id)
        _do("docker", "start", self.id)
        _do(SCRIPT, "ready", self.id)

    def wait_for(self, *argv: str, user: str = "root", timeout: float = 60) -> None:
        """Return when a program in the machine succeeds; AssertionError after `timeout` seconds."""
        end = time.monotonic() + timeout
        while (ran := self.exec(argv, user=user)).returncode != 0:
            assert time.monotonic() < end, f"{' '.join(argv)}: {ran.stdout[-2000:]}{ran.stderr[-2000:]}"
            time.sleep(0.25)

    def remove(self) -> None:
        """Remove the machine and all that is in it."""
        _do(SCRIPT, "remove", self.id)

    def _session(self, user: str) -> Mapping[str, str]:
        """What a login would put into the environment of a user who lingers."""
        if user == "root":
            return {}
        asked = _run(["docker", "exec", self.id, "id", "--user", user], None, 30)
        return {"XDG_RUNTIME_DIR": f"/run/user/{asked.stdout.strip()}"}


def start() -> Machine:
    """Start a machine; returns when its systemd is up and wnm is installed. The first one ever takes minutes."""
    return Machine(id=_do(SCRIPT, "start", timeout=900))
