"""A `wnm` of one account on the test machine: what it is told, and what is then really there."""

import json
import os
import pwd
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import psutil
from tests.cli.operator import BREATH_SECONDS, LIMITS, OLD, WNM, Result, program_bytes
from tests.waiting import eventually

from wnm.core.node import Node
from wnm.core.places import MARKER_NAME
from wnm.storage.database import open_for_reading
from wnm.storage.timeline import Timeline

# What cron gives to whoever it starts.
PATH = "/usr/bin:/bin"
PATIENCE_SECONDS = 120.0
PROGRAM = Path("/usr/local/bin/antnode")
UP = ("RUNNING", "RESTARTING", "UPGRADING")
SYSTEM_UNITS = Path("/etc/systemd/system")

type Scope = Literal["system", "user", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """`words` are given to every run, `wishes` to `--init`; the folders are where wnm is to put things by itself."""

    user: str
    scope: Scope
    data: Path
    nodes: Path
    logs: Path
    keys: Path
    words: tuple[str, ...] = ()
    wishes: Mapping[str, object]
    block: int = 55

    @property
    def database(self) -> Path:
        return self.data / "colony.db"

    @property
    def home(self) -> Path:
        return Path(pwd.getpwnam(self.user).pw_dir)

    @property
    def units(self) -> Path:
        return SYSTEM_UNITS if self.scope == "system" else self.home / ".config/systemd/user"

    @property
    def links(self) -> Path:
        return self.units / ("multi-user.target.wants" if self.scope == "system" else "default.target.wants")

    def unit(self, node_id: int) -> Path:
        """The unit file of a node."""
        return self.units / f"{name(node_id)}.service"

    def link(self, node_id: int) -> Path:
        """What lets a node start with the machine."""
        return self.links / f"{name(node_id)}.service"

    def folder(self, node_id: int) -> Path:
        """The root directory of a node."""
        return self.nodes / name(node_id)

    def begin(self, *words: object, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start `wnm` with nothing but what cron would give it, and do not wait for it."""
        entry = pwd.getpwnam(self.user)
        return subprocess.Popen(
            [str(WNM), *self.words, *map(str, words)],
            env={"PATH": PATH, "HOME": entry.pw_dir, **(env or {})},
            cwd="/",
            user=entry.pw_uid,
            group=entry.pw_gid,
            extra_groups=os.getgrouplist(self.user, entry.pw_gid),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: object, env: Mapping[str, str] | None = None) -> Result:
        """Run `wnm` as this account and wait for its end."""
        began = time.monotonic()
        process = self.begin(*words, env=env)
        out, err = process.communicate(timeout=60)
        return Result(code=process.returncode, out=out, err=err, seconds=time.monotonic() - began)

    def good(self, *words: object) -> Result:
        """A run that must end with exit code 0."""
        result = self.run(*words)
        assert result.code == 0, result
        return result

    def init(self, **settings: object) -> Result:
        """`--init` with quick cycles."""
        wished = {"rewards_address": "faucet", "antnode_path": PROGRAM, **LIMITS, **self.wishes, **settings}
        return self.good("--init", *(f"--{each}={value}" for each, value in wished.items()))

    def cycles_until(
        self, holds: Callable[[], bool], *words: object, at_most: int, codes: Collection[int] = (0,)
    ) -> list[Result]:
        """Run cycles until `holds`; one in which a busy CPU held growth back does not count."""
        results: list[Result] = []
        counted, deadline = 0, time.monotonic() + PATIENCE_SECONDS
        while not holds():
            told = [each.err for each in results]
            assert counted < at_most, f"not so after {at_most} cycles: {told}\n{self.run('explain').out}"
            assert time.monotonic() < deadline, told
            results.append(self.run(*words))
            assert results[-1].code in codes, results[-1]
            if self.was_too_busy():
                time.sleep(BREATH_SECONDS)
            else:
                counted += 1
        return results

    def bring_up(self, count: int, *words: object, at_most: int = 6) -> None:
        """Run cycles until exactly `count` nodes run, all started together."""
        together = [
            f"--max_concurrent_{kind}={max(count, 1)}" for kind in ("starts", "removals", "operations")
        ]
        self.cycles_until(
            lambda: list(self.statuses().values()) == ["RUNNING"] * count,
            f"--node_cap={count}",
            *together,
            *words,
            at_most=at_most,
        )

    def one_at_a_time(self) -> None:
        """Go back to the limits that wnm has by default."""
        kinds = ("starts", "removals", "upgrades", "operations")
        self.good("--force_action=update_config", *(f"--max_concurrent_{kind}=1" for kind in kinds))

    def was_too_busy(self) -> bool:
        """Whether the last cycle left nodes unstarted because something else kept the CPU busy."""
        if not self.database.exists():
            return False
        with open_for_reading(str(self.database)) as database:
            cycle = Timeline(database).cycle()
        return cycle is not None and any(
            held.reading is not None and held.reading.key == "cpu_percent" for held in cycle.held
        )

    def report(self, which: str) -> dict[str, Any]:
        """A report as JSON."""
        found: dict[str, Any] = json.loads(self.good("--report", which, "--json").out)
        return found

    def rows(self) -> dict[int, Node]:
        """What the database knows of each node; nothing is known where there is no database."""
        if not self.database.exists():
            return {}
        with open_for_reading(str(self.database)) as database:
            return {int(node.id): node for node in Timeline(database).nodes()}

    def statuses(self) -> dict[int, str]:
        """The status of each node."""
        return {node_id: str(node.status) for node_id, node in sorted(self.rows().items())}

    def versions(self) -> list[str | None]:
        """The version of each node's own copy of the program."""
        return [node.binary_version for _, node in sorted(self.rows().items())]

    def pids(self) -> dict[str, list[int]]:
        """The living processes of nodes below this life's folder by name, found without the code under test."""
        found: dict[str, list[int]] = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                root = _root_dir(process.cmdline())
                if root and Path(root).parent == self.nodes and process.status() != psutil.STATUS_ZOMBIE:
                    found.setdefault(Path(root).name, []).append(process.pid)
        return found

    def pid(self, node_id: int) -> int:
        """The only process of a node."""
        (pid,) = self.pids().get(name(node_id), [])
        return pid

    def rules(self) -> list[str]:
        """The names of nodes whose ports have a rule, as far as the ports are of this life's block."""
        found = [re.fullmatch(r"ufw allow (\d+)/udp comment 'wnm (.*)'", rule) for rule in added_rules()]
        return sorted(each[2] for each in found if each and int(each[1]) // 1000 == self.block)

    def unit_names(self) -> list[str]:
        """The nodes whose unit files in this life's folder wnm wrote for folders of this life."""
        if self.scope == "none" or not self.units.is_dir():
            return []
        files = [each for each in self.units.glob("*.service") if not each.is_symlink()]
        return sorted(each.stem for each in files if f'# It belongs to "{self.nodes}/' in each.read_text())

    def disagreements(self) -> list[str]:
        """Where rows, units, boot links, rules, folders, logs and processes do not speak of the same nodes."""
        statuses = self.statuses()
        known = [name(node_id) for node_id in statuses]
        running = [name(node_id) for node_id, status in statuses.items() if status in UP]
        processes = [each for each, pids in sorted(self.pids().items()) for _ in pids]
        pairs = [
            ("folders", children(self.nodes), known),
            ("logs", [each for each in children(self.logs) if "." not in each], known),
            ("processes", processes, running),
        ]
        if self.scope != "none":
            linked = [each for each in known if (self.links / f"{each}.service").is_symlink()]
            dangling = [str(each) for each in self.links.glob("*") if not each.exists()]
            pairs += [
                ("units", self.unit_names(), known),
                ("linked", linked, running),
                ("dangling", dangling, []),
            ]
        if self.wishes.get("firewall", "ufw") == "ufw":
            rules = self.rules()
            ports = {each.split()[2] for each in added_rules() if "'wnm " not in each}
            needed = [each for each in running if f"{self.block * 1000 + int(each[-4:])}/udp" not in ports]
            pairs += [("rules", [each for each in rules if each in needed], needed)]
            pairs += [("other rules", [each for each in rules if each not in known], [])]
        return [f"{what}: {found}, not {wanted}" for what, found, wanted in pairs if found != wanted]

    def end(self) -> None:
        """Tear down, whatever state a test left."""
        if self.database.exists():
            self.run("--force_action=teardown", "--confirm", "--stop_grace=2", "--keep_keys=false")
        eventually(lambda: not self.pids())
        assert not self.database.exists()
        shutil.rmtree(self.keys, ignore_errors=True)
        with suppress(OSError):
            for folder in (self.data, *self.keys.parents):
                if folder.exists():
                    folder.rmdir()


def as_root(**wishes: object) -> Life:
    """Root's own, with every default."""
    data = Path("/var/antctl")
    return Life(
        user="root",
        scope="system",
        data=data,
        nodes=data / "services",
        logs=Path("/var/log/antnode"),
        keys=data / "keys",
        wishes=wishes,
    )


def with_sudo() -> Life:
    """That of a user who may use sudo: nodes are services of the system."""
    return Life(
        user="sudoer",
        scope="system",
        data=Path("/home/sudoer/.local/share/autonomi"),
        nodes=Path("/var/antctl/services"),
        logs=Path("/var/log/antnode"),
        keys=Path("/var/antctl/keys"),
        wishes={"process_manager": "systemd", "firewall": "ufw"},
    )


def of_a_user() -> Life:
    """That of an ordinary user with a systemd of his own."""
    data = Path("/home/operator/.local/share/autonomi")
    return Life(
        user="operator",
        scope="user",
        data=data,
        nodes=data / "node",
        logs=data / "logs",
        keys=data / "keys",
        wishes={"process_manager": "systemd+user", "firewall": "null"},
    )


def elsewhere(base: Path, *, block: int, **wishes: object) -> Life:
    """Root's too, with everything in another folder, which others may pass through, and on other ports."""
    data = base / "data"
    places = {kind: base / kind for kind in ("nodes", "logs", "keys")}
    return Life(
        user="root",
        scope="none" if wishes.get("process_manager") == "setsid" else "system",
        data=data,
        words=("--dbpath", str(data / "colony.db")),
        block=block,
        wishes={
            "node_storage": places["nodes"],
            "log_storage": places["logs"],
            "key_storage": places["keys"],
            "port_start": block,
            "metrics_port_start": block - 40,
            **wishes,
        },
        **places,
    )


def name(node_id: int) -> str:
    """What a node is called."""
    return f"antnode{node_id:04d}"


def linger() -> None:
    """Let the operator's services run without a login; his systemd is there when this returns."""
    do("loginctl", "enable-linger", "operator")
    do("systemctl", "start", _systemd_of_the_operator())


def end_lingering() -> None:
    """Take that back. His systemd has ended when this returns: one that is ending would pass for one that runs."""
    do("loginctl", "disable-linger", "operator")
    do("systemctl", "stop", _systemd_of_the_operator(), timeout=120)


def _systemd_of_the_operator() -> str:
    return f"user@{pwd.getpwnam('operator').pw_uid}.service"


def do(*argv: str, user: str = "root", given: str | None = None, timeout: float = 30) -> str:
    """What a program says; AssertionError with its last words if it fails."""
    entry = pwd.getpwnam(user)
    ran = subprocess.run(
        argv,
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": entry.pw_dir,
            "LC_ALL": "C",
            "XDG_RUNTIME_DIR": f"/run/user/{entry.pw_uid}",
        },
        user=entry.pw_uid,
        group=entry.pw_gid,
        extra_groups=os.getgrouplist(user, entry.pw_gid),
        cwd="/",
        input=given,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert ran.returncode == 0, f"{argv}: {ran.stdout[-1000:]}{ran.stderr[-1000:]}"
    return ran.stdout


def added_rules() -> list[str]:
    """The rules that ufw was told, as it writes them itself; also while it is switched off."""
    return [line for line in do("ufw", "show", "added").splitlines() if line.startswith("ufw ")]


def shown(unit: str, what: str) -> str:
    """A property of a unit of the system."""
    return do("systemctl", "show", "-P", what, unit).strip()


def offer(version: str = OLD, path: Path = PROGRAM) -> None:
    """Put a version of the node program where new nodes take theirs from."""
    unfinished = path.with_name(".unfinished")
    unfinished.write_bytes(program_bytes(version))
    unfinished.chmod(0o755)
    unfinished.replace(path)


def children(folder: Path) -> list[str]:
    """The names in a folder, a storage folder's marker left out; none if it is not there."""
    if not folder.is_dir():
        return []
    return sorted(each.name for each in folder.iterdir() if each.name != MARKER_NAME)


def directives(text: str) -> list[tuple[str, str]]:
    """The section and name of every directive of a unit file, in their order, as systemd takes its lines."""
    found, section = [], ""
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("["):
            section = line
        elif line.strip() and not line.startswith(("#", ";")):
            found.append((section, line.partition("=")[0]))
    return found


def _root_dir(arguments: Sequence[str]) -> str | None:
    return next((value for flag, value in pairwise(arguments) if flag == "--root-dir"), None)
