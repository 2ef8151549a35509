"""What `systemctl show` says of units (see systemctl(1) and org.freedesktop.systemd1(5))."""

from collections.abc import Mapping

from msgspec import Struct

from wnm.core.node import ProcessState

PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "MainPID",
    "ExecMainCode",
    "ExecMainStatus",
    "FragmentPath",
)
# What systemd itself ends a process with before the program has run, as systemd.exec(5) has them.
_BEFORE_IT_RAN: Mapping[int, str] = {
    200: "200/CHDIR (its folder cannot be entered)",
    203: "203/EXEC (it cannot be run)",
    209: "209/STDOUT (its log cannot be written)",
    216: "216/GROUP (there is no such group)",
    217: "217/USER (there is no such account)",
    218: "218/CAPABILITIES (its capabilities cannot be dropped)",
    226: "226/NAMESPACE (this machine cannot shut it in as its unit asks)",
    228: "228/SECCOMP (this machine cannot filter its system calls)",
}
_KILLED = (2, 3)  # CLD_KILLED and CLD_DUMPED in waitid(2)


class Shown(Struct, frozen=True, kw_only=True):
    """One unit. `pid` is None without a main process, `fragment` empty without a unit file."""

    id: str
    load: str
    active: str
    sub: str
    result: str
    pid: int | None
    code: int
    status: int
    fragment: str

    @property
    def state(self) -> ProcessState:
        """What it is doing, for a node that is to run without pause."""
        if self.active in ("active", "reloading", "refreshing", "deactivating"):
            return ProcessState.RUNNING
        if self.active == "activating" and not self.sub.startswith("auto-restart"):
            return ProcessState.RUNNING if self.pid else ProcessState.STOPPED
        return ProcessState.STOPPED if self.active == "inactive" else ProcessState.FAILED

    @property
    def ending(self) -> str:
        """How its last process ended, for people."""
        if self.code in _KILLED:
            return f"signal {self.status}"
        return f"code {_BEFORE_IT_RAN.get(self.status, self.status)}"


def read_units(text: str) -> tuple[Shown, ...]:
    """The units in the order in which they were asked for. ValueError if this is not such a text."""
    return tuple(_unit(block) for block in text.split("\n\n") if block.strip())


def _unit(block: str) -> Shown:
    said = dict(line.split("=", 1) for line in block.strip("\n").splitlines() if "=" in line)
    missing = [name for name in PROPERTIES if name not in said]
    if missing:
        raise ValueError(f"systemctl did not say {', '.join(missing)}")
    return Shown(
        id=said["Id"],
        load=said["LoadState"],
        active=said["ActiveState"],
        sub=said["SubState"],
        result=said["Result"],
        pid=int(said["MainPID"]) or None,
        code=int(said["ExecMainCode"]),
        status=int(said["ExecMainStatus"]),
        fragment=said["FragmentPath"],
    )
