"""A real cron starts cycles, for root and for an ordinary user, within a minute of `wnm cron install`."""

import json
import pwd
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli.operator import OLD, WNM, program_bytes

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 75
SYSTEM_FOLDER = Path("/etc/cron.d")
THEIRS = b'# na\357ve\nMAILTO=""\nPATH=/nowhere\n0 0 1 1 * echo \\%Y % x\\r\r\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who runs `wnm`; `folder` is his, and holds all that he has of it."""

    name: str
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "log's" / "wnm.log"

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run `wnm` as from a login of this account."""
        options = ("--dbpath", str(self.folder / "colony.db"), "--log_file", str(self.log))
        return subprocess.run(
            ["runuser", "-u", self.name, "--", str(WNM), *options, *map(str, words)],
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": pwd.getpwnam(self.name).pw_dir},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def settle(self) -> None:
        """A database, and no wish for nodes."""
        program = self.folder / "antnode"
        program.write_bytes(program_bytes(OLD))
        program.chmod(0o755)
        made = self.run(
            "--init",
            "--rewards_address=faucet",
            "--process_manager=setsid",
            "--firewall=null",
            "--node_cap=0",
            f"--antnode_path={program}",
        )
        assert made.returncode == 0, made

    def cycles(self) -> int:
        """How many cycles the database knows."""
        cycle = json.loads(self.run("cron", "--json").stdout)["last_cycle"]
        return 0 if cycle is None else int(cycle["number"])


def table_of_user() -> bytes:
    """The table of the ordinary user as an editor gets it: `crontab -l` does not show carriage returns as they are."""
    command = ["runuser", "-u", "operator", "--", "env", "VISUAL=/bin/cat", "crontab", "-e"]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Account, Account]]:
    """Root, and a user with an awkward folder, after cron has run a cycle of each."""
    folders = [Path("/srv/wnm-cron-root"), Path('/srv/100% of "operator\'s" nodes')]
    accounts = []
    for folder, name in zip(folders, ("root", "operator"), strict=True):
        folder.mkdir()
        shutil.chown(folder, name)
        accounts.append(Account(name=name, folder=folder))
    root, user = accounts
    try:
        subprocess.run(["runuser", "-u", "operator", "--", "crontab", "-"], input=THEIRS, check=True)
        for account in accounts:
            account.settle()
            installed = account.run("cron", "install")
            assert (installed.returncode, installed.stderr) == (0, ""), installed
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not all(account.cycles() for account in accounts):
            assert time.monotonic() < deadline, [account.run("cron").stdout for account in accounts]
            time.sleep(1)
        yield root, user
    finally:
        table_of(root).unlink(missing_ok=True)
        subprocess.run(["runuser", "-u", "operator", "--", "crontab", "-r"], capture_output=True, check=False)
        for folder in folders:
            shutil.rmtree(folder)


def table_of(root: Account) -> Path:
    """Root's file in cron.d."""
    return Path(json.loads(root.run("cron", "--json").stdout)["place"])


def test_the_file_for_the_default_database() -> None:
    ran = subprocess.run([WNM, "cron", "--json"], env={}, capture_output=True, text=True, check=True, cwd="/")
    found = json.loads(ran.stdout)
    assert (found["place"], found["log_file"]) == ("/etc/cron.d/wnm", "/var/log/wnm/wnm.log")


def test_the_cycles_are_in_the_logs(both: tuple[Account, Account]) -> None:
    for account in both:
        lines = account.log.read_text().splitlines()
        assert lines
        assert all(" INFO idle: 0 of 0 nodes running" in line for line in lines)
        assert stat.S_IMODE(account.log.stat().st_mode) == 0o600
        assert stat.S_IMODE(account.log.parent.stat().st_mode) == 0o700
        assert account.log.owner() == account.name


def test_the_place_of_each(both: tuple[Account, Account]) -> None:
    root, _ = both
    table_file = table_of(root)
    assert re.fullmatch(r"/etc/cron\.d/wnm-[0-9a-f]{8}", str(table_file))
    seen = table_file.stat()
    assert (stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid) == (0o644, 0, 0)
    table = table_of_user()
    assert table.endswith(THEIRS)
    assert table.startswith(b"# BEGIN wnm /srv/100% of")


def test_show_and_doctor_see_it(both: tuple[Account, Account]) -> None:
    for account in both:
        found = json.loads(account.run("cron", "show", "--json").stdout)
        assert (found["installed"], found["up_to_date"], found["cron_runs"]) == (True, True, True)
        assert (found["problems"], found["program_exists"], found["log_file"]) == ([], True, str(account.log))
        checks = json.loads(account.run("doctor", "--json").stdout)["checks"]
        assert [check["ok"] for check in checks if check["name"] in ("cron", "last cycle")] == [True, True]


def test_a_second_install_changes_nothing(both: tuple[Account, Account]) -> None:
    root, _ = both
    before = (table_of(root).stat().st_mtime_ns, table_of_user())
    for account in both:
        again = account.run("cron", "install")
        assert (again.returncode, "it is there already" in again.stdout) == (0, True)
    assert (table_of(root).stat().st_mtime_ns, table_of_user()) == before


def test_a_file_of_somebody_else_is_refused(both: tuple[Account, Account]) -> None:
    root, _ = both
    table = table_of(root)
    ours = table.read_bytes()
    try:
        table.write_text("* * * * * nobody true\n")
        for verb in ("install", "remove"):
            refused = root.run("cron", verb)
            assert (refused.returncode, refused.stdout) == (3, "")
            assert f"{table} was not written by wnm" in refused.stderr
        assert table.read_text() == "* * * * * nobody true\n"
    finally:
        table.write_bytes(ours)


def test_cron_takes_a_command_of_exactly_this_length() -> None:
    """One more would be refused for a user, and dropped without a word in cron.d."""
    before = subprocess.run(["crontab", "-l"], capture_output=True, check=False)
    assert before.returncode == 1, "root of the test machine has a table"
    try:
        for length, taken in ((998, True), (1001, False)):
            line = f"* * * * * {'x' * length}\n".encode()
            ran = subprocess.run(["crontab", "-"], input=line, capture_output=True, check=False)
            assert (ran.returncode == 0) is taken, ran
    finally:
        subprocess.run(["crontab", "-r"], capture_output=True, check=False)


def test_removed_and_nothing_of_it_is_left(both: tuple[Account, Account]) -> None:
    for account in both:
        removed = account.run("cron", "remove")
        assert (removed.returncode, removed.stderr) == (0, ""), removed
        assert "nothing to remove" in account.run("cron", "remove").stdout
    assert list(SYSTEM_FOLDER.glob("wnm*")) == []
    assert table_of_user() == THEIRS
