"""A machine of its own for one episode: disks, clocks, process numbers and network that nobody else has.

It must be made inside of namespaces of its own (`namespaces` in tests.chaos.runner starts such a process).
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from wnm_sim.make_program import write_program

CHECKOUT = Path(__file__).resolve().parents[2]
# Another one is given by tests of the harness: it must find out one that is broken.
WNM = Path(os.environ.get("CHAOS_WNM", Path(sys.executable).with_name("wnm")))
UFW_STAND_IN = CHECKOUT / "tests" / "contracts" / "ufw_stand_in.py"
PATIENCE_SECONDS = 120.0
CYCLE_TIMEOUT_SECONDS = 20
STOP_GRACE_SECONDS = 3
MINUTE = 60
DISK_OF_NODES = "1g"
TICKS = 100
# Wide limits: how busy the machine is that runs all this must decide nothing.
SETTINGS: Mapping[str, object] = {
    "rewards_address": "faucet",
    "cpu_less_than": 99.9,
    "cpu_remove": 100,
    "mem_less_than": 98,
    "mem_remove": 99,
    "hd_less_than": 98,
    "hd_remove": 99,
    "desired_load_average": 1000,
    "max_load_average_allowed": 2000,
    "crisis_bytes": 0,
    "delay_start": 0,
    "delay_restart": 0,
    "delay_upgrade": 0,
    "delay_remove": 0,
    "stop_grace": STOP_GRACE_SECONDS,
    "cycle_timeout": CYCLE_TIMEOUT_SECONDS,
    "poll_timeout": 1,
    "max_concurrent_starts": 4,
    "max_concurrent_upgrades": 4,
    "max_concurrent_removals": 4,
    "max_concurrent_operations": 8,
}
# Settings that not every version has; they are given where `wnm --help` names them.
NEWER_SETTINGS: Mapping[str, object] = {"grown_node_size": 0, "grown_node_memory": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where the preloaded library strikes; see faults.c. `place` is a folder, the whole sandbox by default."""

    steps: str
    effect: str
    first: int
    last: int
    place: str = ""

    def __str__(self) -> str:
        span = f"{self.first}" if self.first == self.last else f"{self.first} and all after it"
        return f"{self.effect} at {self.steps} number {span}" + (f" in {self.place}" if self.place else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One run of wnm: `code` is negative for the signal that ended it; `struck` says where its plan struck."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float
    struck: str | None = None
    counted: int | None = None

    def __str__(self) -> str:
        said = " / ".join(self.err.splitlines()[-3:])
        return f"wnm {' '.join(self.words)}: code {self.code}, {self.seconds:.1f} s, {said[:400]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A wnm that runs."""

    process: subprocess.Popen[str]
    words: tuple[str, ...]
    report: Path
    started: float

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        self.process.send_signal(number)


@dataclass(kw_only=True)
class Sandbox:
    """Everything lies below `home`. `library` is the compiled faults.c; `firewall` is ufw or null."""

    home: Path
    library: Path
    firewall: str = "null"
    passed_seconds: int = 0
    version: int = 17
    runs: int = 0

    @property
    def database(self) -> Path:
        return self.home / "data" / "colony.db"

    @property
    def nodes(self) -> Path:
        return self.home / "nodes"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def keys(self) -> Path:
        return self.home / "keys"

    @property
    def program(self) -> Path:
        return self.home / "bin" / "antnode"

    @property
    def version_text(self) -> str:
        """The version of the program that new nodes take."""
        return f"0.4.{self.version}"

    def make(self) -> None:
        """Three disks in memory: one for the nodes, one for the database and one for all else."""
        mount_memory(self.home, "64m")
        for name in ("data", "nodes", "bin", "fake", "tools", "others"):
            (self.home / name).mkdir()
        mount_memory(self.home / "data", "24m")
        mount_memory(self.nodes, DISK_OF_NODES)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self.set_boot_id("0")
        self._write_fakes()
        self.offer(self.version)
        (self.home / "others" / "letter.txt").write_text("not wnm's\n")

    def offer(self, version: int) -> None:
        """Put a version of the node program where nodes take theirs from."""
        self.version = version
        kept = self.home / "bin" / f"{version}"
        if not kept.exists():
            write_program(kept, self.version_text)
        unfinished = self.program.with_name("unfinished")
        shutil.copy2(kept, unfinished)
        unfinished.replace(self.program)

    def init_words(self, cap: int) -> tuple[str, ...]:
        """The options of `wnm --init`."""
        given: dict[str, object] = {
            **SETTINGS,
            **known_settings(),
            "node_cap": cap,
            "antnode_path": self.program,
            "process_manager": "setsid",
            "firewall": self.firewall,
            "node_storage": self.nodes,
            "log_storage": self.logs,
            "key_storage": self.keys,
        }
        return ("--init", *(f"--{name}={value}" for name, value in given.items()))

    # Running wnm

    def run(self, *words: object, plan: Plan | None = None, clock: int = 0) -> Ran:
        """Run wnm to its end. `clock` is how many seconds the wall clock was set ahead."""
        return self.finish(self.begin(*words, plan=plan, clock=clock))

    def begin(self, *words: object, plan: Plan | None = None, clock: int = 0) -> Begun:
        """Start wnm; `finish` waits for it."""
        self.runs += 1
        report = self.home / "fake" / f"report-{self.runs}"
        environment = {
            "PATH": f"{self.home / 'tools'}:/usr/bin:/bin",
            "HOME": str(self.home),
            "LD_PRELOAD": str(self.library),
            "CHAOS_HOME": str(self.home / plan.place) if plan else "",
            "CHAOS_REPORT": str(report),
            "CHAOS_PLAN": f"{plan.steps} {plan.effect} {plan.first} {plan.last}" if plan else "",
            "CHAOS_CLOCK": str(clock),
            "CHAOS_PASSED": str(self.home / "fake" / "passed"),
            "CHAOS_FAKE": str(self.home / "fake"),
        }
        started = time.monotonic()
        process = subprocess.Popen(
            [str(WNM), "--dbpath", str(self.database), *map(str, words)],
            env=environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        return Begun(process=process, words=tuple(map(str, words)), report=report, started=started)

    def finish(self, begun: Begun) -> Ran:
        """Wait for a wnm that was begun."""
        process, report = begun.process, begun.report
        try:
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = "", "killed by the harness: it, or a child that holds its output, did not end"
            process.wait()
        lines = report.read_text().splitlines() if report.exists() else []
        report.unlink(missing_ok=True)
        struck = next((line for line in lines if line.startswith("struck ")), None)
        counted = next((int(line.split()[1]) for line in lines if line.startswith("counted ")), None)
        return Ran(
            words=begun.words,
            code=process.returncode,
            out=out,
            err=err,
            seconds=time.monotonic() - begun.started,
            struck=struck,
            counted=counted,
        )

    # Time

    def let_pass(self, seconds: int) -> None:
        """It is so much later for every wnm that begins from now on; what is born later is younger, as it should be."""
        self.passed_seconds += seconds
        with (self.home / "fake" / "passed").open("a") as file:
            file.write(f"{time.clock_gettime(time.CLOCK_BOOTTIME):.2f} {self.passed_seconds}\n")
        self._write_processor_times()

    def set_boot_id(self, text: str) -> None:
        """Another start of the machine, as far as its number goes."""
        path = self.home / "fake" / "proc/sys/kernel/random/boot_id"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{int(text):08x}-0000-4000-8000-000000000000\n")

    def _write_processor_times(self) -> None:
        """A processor that is busy for a hundredth of the time."""
        ticks = self.passed_seconds * TICKS
        text = f"cpu  {ticks // 100} 0 0 {ticks * 2} 0 0 0 0 0 0\nbtime {int(time.time())}\n"
        (self.home / "fake" / "proc" / "stat").write_text(text)

    # Nodes

    def kill(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a node, if it is still there."""
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    # Tools of the machine that can fail, hang and lie

    def _write_fakes(self) -> None:
        self._write_processor_times()
        if self.firewall == "ufw":
            folder = self.home / "ufw"
            folder.mkdir()
            (folder / "active").touch()
            (folder / "default").write_text("IPV6=no\n")
            tool = self.home / "tools" / "ufw"
            tool.write_text(TOOL.format(folder=folder, python=sys.executable, stand_in=UFW_STAND_IN))
            tool.chmod(0o755)

    def order_ufw(self, mode: str) -> None:
        """How `ufw` behaves from now on: ok, fail, hang, lie, garbage, or late (it does, then fails)."""
        (self.home / "ufw" / "mode").write_text(mode + "\n")


TOOL = """\
#!/bin/sh
# A tool of the machine whose behaviour is ordered by the file `mode`.
export UFW_STAND_IN={folder}
mode=ok
[ -r {folder}/mode ] && read -r mode <{folder}/mode
reads=
case "$*" in *status*|*show*) reads=1 ;; esac
case $mode in
    fail) echo 'ERROR: problem running' >&2; exit 1 ;;
    hang) exec sleep 60 ;;
    garbage) echo '%%% \\033[31m not what was asked for'; exit 0 ;;
    lie) [ "$reads" ] || exit 0 ;;
    late) [ "$reads" ] || {{ {python} -I -S {stand_in} "$@"; echo 'ERROR: no more' >&2; exit 1; }} ;;
esac
exec {python} -I -S {stand_in} "$@"
"""


def mount_memory(folder: Path, size: str, *options: str) -> None:
    """A disk in memory."""
    words = ",".join((f"size={size}", "nr_inodes=4000", "mode=755", *options))
    subprocess.run(["mount", "-t", "tmpfs", "-o", words, "chaos", str(folder)], check=True)


def mount(*words: object) -> None:
    """`mount` with these words."""
    subprocess.run(["mount", *map(str, words)], check=True)


def unmount(folder: Path) -> None:
    """Take the topmost file system off a folder, whoever still holds files of it."""
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def compile_library(folder: Path) -> Path:
    """The library that strikes."""
    library = folder / "faults.so"
    source = Path(__file__).with_name("faults.c")
    words: Sequence[object] = ("cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl", "-lpthread")
    subprocess.run(list(map(str, words)), check=True)
    return library


@cache
def known_settings() -> Mapping[str, object]:
    """Those of NEWER_SETTINGS that this wnm has."""
    text = subprocess.run([str(WNM), "--help"], capture_output=True, text=True, check=True).stdout
    return {name: value for name, value in NEWER_SETTINGS.items() if f"--{name}" in text}
