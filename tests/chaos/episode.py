"""One episode: a sandbox that comes up, suffers a sequence of faults with checks after each, and is torn down.

What happens is decided by the episode's seed alone; each fault draws from a chance of its own.
"""

import json
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.chaos.oracle import (
    OPERATORS_RULE,
    Finding,
    Memory,
    Process,
    World,
    check_at_any_time,
    check_run,
    check_words,
    look,
    unsettled,
)
from tests.chaos.sandbox import CYCLE_TIMEOUT_SECONDS, MINUTE, Plan, Ran, Sandbox

CYCLES_TO_SETTLE = 24
"""Within so many cycles all is as it should be: twelve a minute apart, then as many ten minutes apart (pauses end)."""
MINUTELY = 12
SLACK_SECONDS = 40
"""What a busy machine may add to `cycle_timeout`."""
FEWEST, MOST = 2, 4


@dataclass(kw_only=True)
class Injected:
    """A fault and what came of it. `struck` is False when the moment that it was meant for never came."""

    number: int
    kind: str
    detail: str = ""
    struck: bool = True
    cycles: int = 0
    findings: list[Finding] = field(default_factory=list)

    def __str__(self) -> str:
        text = f"{self.number}: {self.kind}: {self.detail}"
        if not self.struck:
            text += " (not struck)"
        if self.cycles:
            text += f"; settled after {self.cycles}"
        return text + "".join(f"\n    FOUND {found.kind}: {found.text}" for found in self.findings)


@dataclass(kw_only=True)
class Episode:
    """The state of an episode; the faults of tests.chaos.faults work on it."""

    name: str
    sandbox: Sandbox
    verbose: bool = False
    only: str = ""
    cap: int = 3
    memory: Memory = field(default_factory=Memory)
    injected: list[Injected] = field(default_factory=list)
    copies: list[Path] = field(default_factory=list)
    chance: Random = field(default_factory=Random)
    tolerated: frozenset[str] = frozenset()

    # The fault in hand

    @property
    def current(self) -> Injected:
        return self.injected[-1]

    @property
    def failed(self) -> bool:
        return any(each.findings for each in self.injected)

    def open(self, kind: str) -> None:
        """The next fault begins, with a chance of its own."""
        number = len(self.injected)
        self.chance = Random(f"{self.name}.{number}")
        self.injected.append(Injected(number=number, kind=kind))

    def tell(self, detail: str) -> None:
        """Say more about the fault in hand."""
        self.current.detail += ("; " if self.current.detail else "") + detail
        if self.verbose:
            print(f"      {self.name}.{self.current.number} {self.current.kind}: {detail}", flush=True)

    def find(self, kind: str, text: str) -> None:
        """Something that must not be so."""
        if kind not in self.tolerated:
            self.current.findings.append(Finding(kind=kind, text=text))
            if self.verbose:
                print(f"      FOUND {kind}: {text}", flush=True)

    def take(self, findings: Iterator[Finding]) -> None:
        """The same for several."""
        for each in findings:
            self.find(each.kind, each.text)

    # Cycles

    def words(self, *words: object) -> tuple[object, ...]:
        """The words of a cycle with the cap that is wanted."""
        return (f"--node_cap={self.cap}", *words)

    def cycle(self, *words: object, plan: Plan | None = None, clock: int = 0, minutes: int = 1) -> Ran:
        """One run of wnm so many minutes after the last, judged by how it ended."""
        self.sandbox.let_pass(minutes * MINUTE)
        ran = self.sandbox.run(*self.words(*words), plan=plan, clock=clock)
        self.judge(ran, struck=ran.struck is not None)
        return ran

    def judge(self, ran: Ran, *, struck: bool = False) -> None:
        """Check how a run ended; `struck` when something was done to the very run."""
        if self.verbose:
            print(f"        {ran}" + (f" [{ran.struck}]" if ran.struck else ""), flush=True)
        patience = CYCLE_TIMEOUT_SECONDS + SLACK_SECONDS
        self.take(check_run(ran.code, ran.err, ran.seconds, out=ran.out, patience=patience, struck=struck))

    def check(self, ran: Ran | None = None) -> World:
        """Look from outside; with `ran` also whether its exit code is true."""
        world = look(self.sandbox.home)
        self.take(check_at_any_time(world, self.memory))
        if ran is not None:
            self.take(check_words(world, ran.code))
        return world

    def unsettled(self, world: World) -> list[str]:
        """What is not yet as it should be."""
        sandbox = self.sandbox
        return unsettled(
            world,
            cap=self.cap,
            version=sandbox.version_text,
            firewall=sandbox.firewall,
        )

    def settle(self) -> None:
        """Run cycles until all is as it should be, which must be soon."""
        left: list[str] = []
        ran: Ran | None = None
        for number in range(1, CYCLES_TO_SETTLE + 1):
            ran = self.cycle(minutes=1 if number <= MINUTELY else 10)
            world = self.check(ran)
            if self.current.findings:
                return
            left = self.unsettled(world)
            if not left and ran.code == 0:
                self.current.cycles = number
                self.memory.settle(world)
                self._keep_copy()
                return
        said = str(ran)
        if not left:
            self.find("exit-code", f"all is as it should be, and after {CYCLES_TO_SETTLE} cycles: {said}")
        else:
            self.find("not-settled", f"after {CYCLES_TO_SETTLE} cycles: {'; '.join(left)}; {said}")

    def _keep_copy(self) -> None:
        """The database as it was at the last few settled moments."""
        copy = self.sandbox.home / "others" / f"colony-{len(self.injected)}.db"
        self.save_database(copy)
        self.copies = [*self.copies, copy][-8:]

    # Tools for faults

    def save_database(self, to: Path) -> None:
        """A copy with its write-ahead log."""
        for ending in ("", "-wal"):
            Path(f"{to}{ending}").unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                shutil.copy2(f"{self.sandbox.database}{ending}", f"{to}{ending}")

    def put_database(self, source: Path) -> None:
        """Put such a copy in the place of the database."""
        for ending in ("", "-wal", "-shm"):
            target = Path(f"{self.sandbox.database}{ending}")
            if target.is_dir():
                target.rmdir()
            target.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                shutil.copy2(f"{source}{ending}", target)

    def processes(self) -> tuple[Process, ...]:
        """The nodes' processes in the order of their folders."""
        return tuple(sorted(look(self.sandbox.home).processes, key=lambda each: (each.root_dir, each.pid)))

    def pids(self) -> Mapping[str, int]:
        """Which process is whose."""
        return {each.root_dir: each.pid for each in self.processes()}

    def some_node(self) -> str:
        """The name of a node that was there when all was settled."""
        names = sorted(self.memory.keys)
        return names[int(self.chance.random() * len(names))]

    def must_not_be_fine(self, ran: Ran, why: str) -> None:
        """A run in a world that is broken for all to see."""
        if ran.code == 0:
            self.find("says-fine", f"exit 0, and {why}")

    def ask_doctor(self, why: str) -> None:
        """One in four times, since it takes its time: doctor must not call a broken world fine."""
        if self.chance.random() < 0.25:
            ran = self.sandbox.run("doctor")
            self.judge(ran)
            if ran.code == 0:
                self.find("doctor-says-fine", f"and {why}")

    def must_keep_rows(self, world: World, why: str) -> None:
        """No node of the settled world may be forgotten."""
        if world.rows is None:
            return
        missing = sorted(set(self.memory.keys) - {Path(row.root_dir).name for row in world.rows})
        if missing:
            self.find("row-forgotten", f"{', '.join(missing)}: {why}")


def come_up(episode: Episode) -> None:
    """Make the machine, and `--init` under a fault; then the first nodes."""
    from tests.chaos.faults import first_fault

    episode.sandbox.make()
    if episode.sandbox.firewall == "ufw":
        rule = {"v6": False, "to": OPERATORS_RULE[0], "source": "Anywhere", "action": "allow", "flags": None,
                "comment": OPERATORS_RULE[1]}  # fmt: skip
        (episode.sandbox.home / "ufw" / "rules.json").write_text(json.dumps([rule]))
    first_fault(episode)


def play(episode: Episode, count: int) -> None:
    """All faults of an episode, `count` at most; it ends with the first finding."""
    from tests.chaos.faults import choose, last_fault

    episode.cap = Random(episode.name).randint(FEWEST, MOST - 1)
    come_up(episode)
    while not episode.failed and len(episode.injected) < count - 1:
        kinds = choose(Random(f"{episode.name}-{len(episode.injected)}"), episode)
        for kind, inject in kinds:
            episode.open(kind)
            inject(episode)
            episode.check()
            if episode.failed:
                break
        if not episode.failed:
            episode.settle()
    if not episode.failed:
        last_fault(episode)


def main(words: list[str]) -> int:
    """`HOME LIBRARY EPISODE COUNT ONLY [-v]`: play one, and print what came of it as one line of JSON."""
    home, library, name, count, only = words[:5]
    chance = Random(f"{name} machine")
    firewall = "ufw" if chance.random() < 0.35 else "null"
    episode = Episode(
        name=name,
        only=only,
        verbose="-v" in words[5:],
        sandbox=Sandbox(home=Path(home), library=Path(library), firewall=firewall),
    )
    started = time.monotonic()
    error = ""
    try:
        play(episode, int(count))
    except Exception as problem:  # noqa: BLE001 - whatever the harness fails by is part of the results
        error = f"{problem!r}: {traceback.format_exc()[-1500:]}"
    print(json.dumps({
        "episode": name,
        "seconds": round(time.monotonic() - started, 1),
        "faults": [[each.kind, each.struck, each.cycles] for each in episode.injected],
        "findings": [
            {"fault": each.number, "after": each.kind, "kind": found.kind, "text": found.text, "detail": each.detail}
            for each in episode.injected
            for found in each.findings
        ],
        "error": error,
    }), flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
