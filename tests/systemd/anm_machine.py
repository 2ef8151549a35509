"""A machine that anm manages: its files in its formats, real units that run, and a stand-in for its script.

The stand-in does nothing but what a takeover has to be careful of: it takes its time, writes its files at its end, and
leaves a mark where the real one would tear the machine down.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from tests.cli.operator import program_bytes
from tests.systemd.life import added_rules, do
from tests.systemd.picture import Picture, picture

WALLET = "0xa1b2c3d4e5f60718293a4b5c6d7e8f9001122334"
DATA = Path("/var/antctl")
SERVICES = DATA / "services"
LOGS = Path("/var/log/antnode")
UNITS = Path("/etc/systemd/system")
CRON = Path("/etc/cron.d/anm")
SCRIPT = Path("/usr/bin/anms.sh")
TORN_DOWN = Path("/opt/torn-down-by-anm")
RAN = Path("/opt/ran-by-somebody")
SLOWNESS = Path("/opt/anm-takes-seconds")

MIGRATE = ("--init", "--migrate_anm")
CHANGES_BY_ITSELF = ("/var/antctl/simplelog", "/var/antctl/log", "/var/antctl/block")

SCRIPT_TEXT = f"""#!/usr/bin/env bash
# A stand-in for tests: it manages nothing.
vtrack="2.0 "

# first node port, in thousands
#ntpr=13
ntpr=57
if [ -e /var/antctl/block ]; then exit 0; fi
if [ ! -e /var/antctl/config ]; then touch {TORN_DOWN}; exit 0; fi
touch /var/antctl/block
sleep "$(cat {SLOWNESS} 2>/dev/null || echo 0.1)"
echo "tick" >> /var/antctl/simplelog
rm -f /var/antctl/block
PortSample() {{ echo $(("$ntpr"000 + $1)); }}
"""
CONFIG = f"""# edit this file
DiscordUsername="--owner DiscordUserName"
RewardsAddress="--rewards-address {WALLET}"

MaxLoadAverageAllowed=90.0
DesiredLoadAverage=80.8

CpuLessThan=98
MemLessThan=97
HDLessThan=97
CpuRemove=99
MemRemove=98
HDRemove=98

DelayStart=5
DelayReStart=6
DelayUpgrade=7
DelayRemove=10

NodeStorage=/var/antctl/services
NodeCap=3
UpgradeHour=14
UpgradeMin=37
NodeVersion=""
"""
CRON_TEXT = "* * * * * {user} /bin/bash /usr/bin/anms.sh >> /var/antctl/log\n"
INFLUX_TEXT = (
    "*/20 * * * * {user} /usr/bin/mkdir -p /tmp/influx-resources && "
    "/bin/bash /usr/bin/influx-resources.sh > /tmp/influx-resources/influx-resources\n"
)


@dataclass(kw_only=True)
class AnmMachine:
    """An installation that `build` makes and `wipe` takes away; `user` is who its cron runs it as."""

    user: str = "sudoer"
    config: str = CONFIG
    nodes: Sequence[int] = (1, 2, 3)
    digits: int = 4
    block: int = 57
    version: str = "0.4.17"
    started: Sequence[int] = (1, 2, 3)
    extra: Mapping[str, str] = field(default_factory=dict)
    """Further files by path."""

    def build(self) -> None:
        """Write everything and start the nodes, as systemd has them under anm."""
        self.wipe()
        program = self.home / ".local/bin/antnode"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_bytes(program_bytes(self.version))
        program.chmod(0o755)
        for folder in (self.home / ".local", program.parent, program):
            shutil.chown(folder, self.user, self.user)
        do("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "ant")
        self._write_files()
        for number in self.nodes:
            self.add(number)
        do("systemctl", "daemon-reload")
        for number in self.started:
            do("systemctl", "start", f"{self.name(number)}.service")
        time.sleep(1)
        # Last of all: from here on cron may run it.
        CRON.write_text(CRON_TEXT.format(user=self.user))

    def _write_files(self) -> None:
        """Its folders and files, which belong to whoever its cron runs it as."""
        for folder in (DATA, SERVICES, LOGS, DATA / "bootstrap-cache"):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        shutil.chown(DATA, self.user, self.user)
        for folder in (SERVICES, LOGS, DATA / "bootstrap-cache"):
            shutil.chown(folder, "ant", "ant")
        texts = {
            DATA / "config": self.config,
            DATA / "system": "CpuCount=8\n",
            DATA / "counters": "CounterStart=3\nCounterUpgrade=0\n",
            DATA / "NodeDetails": self.node_details(),
            DATA
            / "teardown_config": f'RewardsAddress="--rewards-address {WALLET}"\nNodeStorage={SERVICES}\n',
            Path("/etc/cron.d/influx_resources"): INFLUX_TEXT.format(user=self.user),
            SCRIPT: SCRIPT_TEXT.replace("ntpr=57", f"ntpr={self.block}"),
        }
        for path, text in {**texts, **{Path(path): text for path, text in self.extra.items()}}.items():
            for folder in reversed(path.parents):
                if not folder.exists():
                    folder.mkdir()
                    if folder.is_relative_to(self.home):
                        shutil.chown(folder, self.user, self.user)
            path.write_text(text)
            if path.parent == DATA:
                shutil.chown(path, self.user, self.user)

    def add(self, number: int) -> None:
        """One node: folder, program, unit, rule."""
        name, port = self.name(number), self.block * 1000 + number
        root, log = SERVICES / name, LOGS / name
        for folder in (root, log):
            folder.mkdir()
        shutil.copy(self.home / ".local/bin/antnode", root / "antnode")
        for path in (root, log, root / "antnode"):
            shutil.chown(path, "ant", "ant")
        (UNITS / f"{name}.service").write_text(
            f'[Unit]\nDescription={name}\n[Service]\nUser=ant\nEnvironment="ANT_LOG=ant_evm=error"\n'
            f"ExecStart={root}/antnode --no-upnp --bootstrap-cache-dir {DATA}/bootstrap-cache --root-dir {root} "
            f"--port {port} --enable-metrics-server --metrics-server-port {13000 + number} "
            f"--log-output-dest {log} --max-log-files 1 --max-archived-log-files 1 "
            f"--rewards-address {WALLET} evm-arbitrum-one\nRestart=always\n#RestartSec=300\n"
        )
        do("ufw", "allow", f"{port}/udp", "comment", name)

    def node_details(self) -> str:
        """What anm remembers of its nodes."""
        entries = (
            f'[{number:04d}]="{self.name(number)},12D3KooW{number:044d},{self.version},'
            f'{"RUNNING" if number in self.started else "STOPPED"}"'
            for number in self.nodes
        )
        return f"declare -A node_details_store=({' '.join(entries)} )\n"

    def name(self, number: int) -> str:
        """What anm calls a node."""
        return f"antnode{number:0{self.digits}d}"

    def pids(self) -> dict[int, str]:
        """The main process of each node's unit, as systemd has it."""
        return {
            number: do("systemctl", "show", "--property=MainPID", "--value", self.name(number)).strip()
            for number in self.nodes
        }

    @property
    def home(self) -> Path:
        """That of the account that anm runs as."""
        return Path("/root" if self.user == "root" else f"/home/{self.user}")

    def wipe(self) -> None:
        """Whatever state a test left, take all of it away."""
        CRON.unlink(missing_ok=True)
        for unit in sorted(UNITS.glob("antnode*")):
            if unit.suffix == ".service" and not unit.is_symlink():
                do("systemctl", "stop", unit.name)
            if unit.is_dir():
                shutil.rmtree(unit)
            else:
                unit.unlink()
        for link in UNITS.glob("*.wants/antnode*"):
            link.unlink()
        do("systemctl", "daemon-reload")
        do("systemctl", "reset-failed")
        for path in (
            SCRIPT,
            TORN_DOWN,
            RAN,
            SLOWNESS,
            *Path("/etc/cron.d").glob("*influx_resources"),
            Path("/etc/cron.d/scrape"),
        ):
            path.unlink(missing_ok=True)
        for path in (DATA, LOGS):
            shutil.rmtree(path, ignore_errors=True)
        self._close_ports()
        _delete_account()
        for path in (self.home / ".local/share/autonomi", self.home / ".local/bin/antnode"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _close_ports(self) -> None:
        for rule in added_rules():
            found = re.fullmatch(r"ufw allow (\d+/udp) comment '((?:wnm )?antnode\d+)'", rule)
            if found:
                do("ufw", "delete", "allow", found[1], "comment", found[2])


def let_it_end(running: "subprocess.Popen[bytes]") -> None:
    """A run of the stand-in that takes its time goes on at once to its end."""
    for child in psutil.Process(running.pid).children():
        child.kill()


def _delete_account() -> None:
    known = {line.split(":")[0] for line in Path("/etc/passwd").read_text().splitlines()}
    if "ant" in known:
        do("userdel", "ant")


def seen() -> Picture:
    """The machine without what a takeover keeps for itself and what anm writes while it runs."""
    return {
        # What a node writes while it runs is its own business; that nothing is added to it is not.
        path: None if path.startswith(f"{SERVICES}/antnode") and not path.endswith("/antnode") else what
        for path, what in picture().items()
        if "/takeover-" not in path and path not in CHANGES_BY_ITSELF and path != "processes"
    }
