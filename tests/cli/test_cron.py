"""`wnm cron` for an ordinary user with a whole crontab of his own."""

import json
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from tests.cli.footprints import differences, footprint
from tests.cli.operator import PATIENCE_SECONDS, WNM, Result, program_bytes

NOBODY = 65534
UNPRIVILEGED = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
# Root becomes an ordinary user, who yet may read the interpreter wherever it is.
WAYS = ((*UNPRIVILEGED, "--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search"), UNPRIVILEGED)
THEIRS = b"# stra\337e\r\nMAILTO=me\n5 4 * * * /bin/backup \\%Y % x\\r\n"


@cache
def as_ordinary_user() -> tuple[str, ...]:
    """The words of a program that starts another one as an ordinary user; none if that is who runs the tests."""
    if os.geteuid() != 0:
        return ()
    for way in WAYS:
        ran = subprocess.run([*way, str(WNM), "--version"], capture_output=True, cwd="/", check=False)
        if ran.returncode == 0:
            return way
    pytest.skip("an ordinary user cannot run wnm here")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An ordinary user with a home, a database and a program `crontab` that keeps its table in a file."""

    home: Path
    database: Path

    @property
    def table(self) -> Path:
        return self.home / "bin" / "table"

    @property
    def log(self) -> Path:
        return next(self.home.glob(".local/share/autonomi/wnm-*.log"))

    def deeds(self) -> list[str]:
        """What was done to the table."""
        file = self.home / "bin" / "deeds"
        return file.read_text().split() if file.exists() else []

    def run(self, *words: object, database: Path | None = None, **env: str) -> Result:
        """Run `wnm` as this user."""
        command = [str(WNM), "--dbpath", str(database or self.database), *map(str, words)]
        return self.start(command, {"PATH": f"{self.home}/bin:/usr/bin:/bin", "HOME": str(self.home), **env})

    def start(self, command: list[str], env: dict[str, str]) -> Result:
        """Run any program as this user."""
        ran = subprocess.run(
            [*as_ordinary_user(), *command],
            env=env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return Result(code=ran.returncode, out=ran.stdout, err=ran.stderr, seconds=0)

    def minute(self) -> Result:
        """What cron does every minute with the only line that is in force."""
        (line,) = [line for line in self.table.read_text().splitlines() if line.startswith("* * * * *")]
        command = line.split(" ", 5)[5].replace("\\%", "%")
        return self.start(["/bin/sh", "-c", command], {"PATH": "/usr/bin:/bin", "HOME": str(self.home)})


@pytest.fixture
def user() -> Iterator[User]:
    """A user whose `wnm` is not initialised yet."""
    home = Path(tempfile.mkdtemp(prefix="a user's 100% ", dir="/tmp"))
    try:
        (home / "bin").mkdir()
        shutil.copy(Path(__file__).with_name("fake_crontab.sh"), home / "bin" / "crontab")
        (home / "bin" / "crontab").chmod(0o755)
        (home / "bin" / "antnode").write_bytes(program_bytes("0.4.17"))
        (home / "bin" / "antnode").chmod(0o755)
        if os.geteuid() == 0:
            for path in (home, *home.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        yield User(home=home, database=home / "data" / "colony.db")
    finally:
        shutil.rmtree(home)


@pytest.fixture
def settled(user: User) -> User:
    """A user with a database, and no wish for nodes."""
    return with_database(user, user.database)


def with_database(user: User, database: Path) -> User:
    """The user after `wnm --init`."""
    words = ["--rewards_address=faucet", "--process_manager=setsid", "--firewall=null", "--node_cap=0"]
    made = user.run("--init", *words, f"--antnode_path={user.home}/bin/antnode", database=database)
    assert made.code == 0, made
    return user


def shown(user: User) -> dict[str, object]:
    """`wnm cron show --json`."""
    result = user.run("cron", "show", "--json")
    assert (result.code, result.err) == (0, ""), result
    found: dict[str, object] = json.loads(result.out)
    return found


@pytest.mark.parametrize("before", [None, b"", THEIRS, THEIRS + b"1 2 3 4 5 last"])
def test_installed_run_and_removed(settled: User, before: bytes | None) -> None:
    if before is not None:
        settled.table.write_bytes(before)
    installed = settled.run("cron", "install")
    assert installed.code == 0, installed
    assert f"wnm --dbpath {shlex.quote(str(settled.database))} cron remove\n" in installed.out
    kept = before or b""
    kept += b"" if not kept or kept.endswith(b"\n") else b"\n"
    table = settled.table.read_bytes()
    assert table.endswith(kept)
    block = table.removesuffix(kept).decode().splitlines()
    assert block[0] == f"# BEGIN wnm {settled.database}"
    assert "wnm --dbpath " in block[1]
    assert "cron remove" in block[1]
    assert block[2:] == [shown(settled)["line"], f"# END wnm {settled.database}"]
    assert str(WNM) in block[2]

    again = settled.run("cron", "install")
    assert (again.code, settled.table.read_bytes(), settled.deeds()) == (0, table, ["written"])
    assert "it is there already" in again.out

    removed = settled.run("cron", "remove")
    assert removed.code == 0, removed
    assert (settled.table.read_bytes() if settled.table.exists() else b"") == kept
    assert settled.deeds() == ["written", "written" if kept else "removed"]
    nothing = settled.run("cron", "remove")
    assert (nothing.code, nothing.err) == (0, "")
    assert "nothing to remove" in nothing.out


def test_cron_runs_cycles_that_log(settled: User) -> None:
    assert settled.run("cron", "install").code == 0
    for _ in range(2):
        ran = settled.minute()
        assert (ran.code, ran.out, ran.err) == (0, "", "")
    lines = settled.log.read_text().splitlines()
    assert len(lines) == 2
    assert all(" INFO idle: " in line for line in lines)
    assert stat.S_IMODE(settled.log.stat().st_mode) == 0o600
    cycle = shown(settled)["last_cycle"]
    assert isinstance(cycle, dict)
    assert (cycle["number"], cycle["exit_code"]) == (2, 0)


def test_what_keeps_wnm_from_starting_is_in_the_log(settled: User) -> None:
    assert settled.run("cron", "install").code == 0
    table = settled.table.read_text()
    settled.table.write_text(table.replace(str(WNM), f"{WNM}-gone"))
    assert settled.minute().code == 127
    settled.table.write_text(table.replace(" --dbpath", " --dbpth"))
    ran = settled.minute()
    assert (ran.code, ran.out, ran.err) == (2, "", "")
    gone, unknown = settled.log.read_text().splitlines()
    assert "wnm-gone" in gone
    assert "did you mean --dbpath?" in unknown


def test_a_log_folder_that_was_emptied_is_made_again(settled: User) -> None:
    log = settled.home / "logs" / "deep" / "wnm.log"
    assert settled.run("--log_file", log, "cron", "install").code == 0
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700
    shutil.rmtree(settled.home / "logs")
    ran = settled.minute()
    assert (ran.code, len(ran.err.splitlines())) == (0, 1), ran
    assert log.read_text() == ran.err
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700
    ran = settled.minute()
    assert (ran.code, ran.err) == (0, "")
    assert len(log.read_text().splitlines()) == 2


def test_a_dry_run_shows_all_and_changes_nothing(settled: User) -> None:
    settled.table.write_bytes(THEIRS)
    before = footprint(settled.home)
    would = settled.run("--dry_run", "cron", "install")
    assert (would.code, would.err) == (0, "")
    assert f"# BEGIN wnm {settled.database}\n" in would.out
    nothing = settled.run("cron", "remove", "--dry-run")
    assert (nothing.code, "nothing to remove" in nothing.out) == (0, True)
    assert differences(before, footprint(settled.home)) == []
    assert settled.run("cron", "install").code == 0
    before = footprint(settled.home)
    assert "would stay as it is" in settled.run("cron", "install", "--dry_run").out
    taken = settled.run("cron", "remove", "--dry_run")
    assert f"--dbpath {shlex.quote(str(settled.database))}".replace("%", "\\%") in taken.out
    assert differences(before, footprint(settled.home)) == []


def test_each_database_has_a_line_of_its_own(settled: User) -> None:
    other = settled.home / "other" / "colony.db"
    with_database(settled, other)
    assert settled.run("cron", "install").code == 0
    assert settled.run("cron", "install", database=other).code == 0
    both = settled.table.read_text()
    assert both.count("# BEGIN wnm ") == 2
    assert settled.run("cron", "remove").code == 0
    assert settled.table.read_text().count("* * * * *") == 1
    assert str(other) in settled.table.read_text()


def test_another_wish_replaces_the_line(settled: User) -> None:
    assert settled.run("cron", "install").code == 0
    config = settled.home / "my.conf"
    config.write_text("node_cap = 0\n")
    assert settled.run("cron", "install", "-c", "my.conf", "--log_file", "~/here.log").code == 0
    table = settled.table.read_text()
    assert table.count("* * * * *") == 1
    escaped = str(settled.home).replace("%", "\\%")
    assert (
        f" -c {shlex.quote(escaped + '/my.conf')} --log_file {shlex.quote(escaped + '/here.log')}\n" in table
    )
    assert shown(settled)["up_to_date"] is False
    assert settled.minute().code == 0
    assert len((settled.home / "here.log").read_text().splitlines()) == 1


def test_without_a_database_nothing_is_installed_and_all_is_shown(user: User) -> None:
    before = footprint(user.home)
    refused = user.run("cron", "install")
    assert (refused.code, refused.out, len(refused.err.splitlines())) == (3, "", 1)
    assert "wnm --init" in refused.err
    text = user.run("cron")
    assert (text.code, text.err) == (0, "")
    assert "none: write it with wnm cron install" in text.out
    assert f"there is no database at {user.database}" in text.out
    found = shown(user)
    assert (found["installed"], found["line"], found["last_cycle"]) == (False, None, None)
    assert user.run("cron", "remove").code == 0
    assert differences(before, footprint(user.home)) == []


def test_a_user_who_may_not_have_a_crontab(settled: User) -> None:
    (settled.home / "bin" / "denied").touch()
    for verb in ("install", "remove"):
        refused = settled.run("cron", verb)
        assert (refused.code, refused.out, len(refused.err.splitlines())) == (3, "", 1), refused
        assert "not allowed to use this program" in refused.err
        assert "/etc/cron.allow" in refused.err
    assert shown(settled)["installed"] is None
    assert "not allowed" in settled.run("cron").out


def test_a_table_that_cron_does_not_take_stays(settled: User) -> None:
    settled.table.write_bytes(b"every minute /bin/true\n")
    refused = settled.run("cron", "install")
    assert (refused.code, len(refused.err.splitlines())) == (3, 1)
    assert "bad minute" in refused.err
    assert settled.table.read_bytes() == b"every minute /bin/true\n"


def test_our_part_without_its_end_stays(settled: User) -> None:
    table = f"# BEGIN wnm {settled.database}\n5 * * * * theirs\n"
    settled.table.write_text(table)
    for verb in ("install", "remove"):
        refused = settled.run("cron", verb)
        assert (refused.code, len(refused.err.splitlines())) == (3, 1)
        assert "crontab -e" in refused.err
    assert (settled.table.read_text(), settled.run("cron", "show").code) == (table, 0)


@pytest.mark.skipif(
    any(shutil.which(name, path="/usr/bin:/bin") for name in ("crontab",)), reason="has a crontab"
)
def test_without_a_crontab_program(settled: User) -> None:
    (settled.home / "bin" / "crontab").unlink()
    refused = settled.run("cron", "install")
    assert (refused.code, len(refused.err.splitlines())) == (3, 1)
    assert "apt install cron" in refused.err
    assert "nothing to remove" in settled.run("cron", "remove").out
    assert shown(settled)["installed"] is False


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("cron", "instal"), 2, "did you mean install?"),
        (("cron", "x"), 2, "show, install, remove"),
        (("cron", "install", "now"), 2, "now"),
        (("cron", "install", "--json"), 2, "--json only goes with cron show"),
        (("cron", "install", "--node_cap", "4"), 2, "node_cap"),
        (("--dbpath", "/tmp/back\\slash/colony.db", "cron", "install"), 3, "no database"),
        (("--log_file", "/tmp/a\\b", "cron", "install"), 3, "cannot stand in a cron table"),
        (("--log_file", f"/tmp/{'l' * 600}", "cron", "install"), 3, "cron takes 998"),
        (("corn", "show"), 2, "cron"),
    ],
)
def test_wrong_words(settled: User, words: tuple[str, ...], code: int, named: str) -> None:
    refused = settled.run(*words)
    assert (refused.code, refused.out, len(refused.err.splitlines())) == (code, "", 1), refused
    assert named in refused.err
    assert not settled.table.exists()


def doctor(user: User) -> dict[str, object]:
    """What the check of the set-up says about cron."""
    checks = json.loads(user.run("doctor", "--json").out)["checks"]
    (found,) = [check for check in checks if check["name"] == "cron"]
    return dict(found)


def test_what_doctor_says(settled: User) -> None:
    nothing = doctor(settled)
    assert (nothing["ok"], nothing["remedy"]) == (None, "run wnm cron install")
    settled.table.write_text("*/2 * * * * flock /tmp/x wnm\n")
    assert doctor(settled) == {
        "kind": "cron",
        "name": "cron",
        "ok": True,
        "detail": "*/2 * * * * flock /tmp/x wnm",
        "remedy": None,
    }
    settled.table.write_text("# wnm is great\n0 * * * * wnm-backup\n")
    assert doctor(settled)["ok"] is None
    assert settled.run("cron", "install").code == 0
    installed = doctor(settled)
    if installed["ok"] is True:
        assert "* * * * *" in str(installed["detail"])
    else:
        assert "no cron seems to run" in str(installed["detail"])
    settled.table.write_text(settled.table.read_text().replace(str(WNM), "/opt/gone/wnm"))
    gone = doctor(settled)
    assert (gone["ok"], gone["remedy"]) == (False, "run wnm cron install")
    assert "/opt/gone/wnm" in str(gone["detail"])
    assert "/opt/gone/wnm cannot be started any more" in settled.run("cron").out


def test_a_teardown_takes_the_line_away(settled: User) -> None:
    settled.table.write_bytes(THEIRS)
    assert settled.run("cron", "install").code == 0
    torn_down = settled.run("--force_action", "teardown", "--confirm")
    assert torn_down.code == 0, torn_down
    assert not settled.database.exists()
    assert settled.table.read_bytes() == THEIRS
