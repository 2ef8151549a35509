"""A takeover from anm that is killed, given up or undone: the machine is as it was, or it goes on."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.systemd.anm_machine import (
    CRON,
    DATA,
    MIGRATE,
    SCRIPT,
    SLOWNESS,
    TORN_DOWN,
    AnmMachine,
    let_it_end,
    seen,
)
from tests.systemd.life import Life, as_root
from tests.systemd.picture import difference


def test_undone_the_machine_is_what_it_was_bit_for_bit(anm: AnmMachine, root: Life) -> None:
    before, pids = seen(), anm.pids()
    root.good(*MIGRATE)
    (kept,) = DATA.glob("takeover-*")
    assert (kept / "files/noted-user.rules").read_bytes() == Path("/etc/ufw/user.rules").read_bytes()
    root.good()
    root.good("--force_action=stop", "--service_name=antnode0001")
    root.good("--force_action=start", "--service_name=antnode0001")
    # The database is lost: it is made anew from what was kept, and the way back stays the same.
    for path in DATA.glob("colony.db*"):
        path.unlink()
    root.good(*MIGRATE)
    assert sorted(root.rows()) == [1, 2, 3]
    assert list(DATA.glob("takeover-*")) == [kept]
    told = root.good("--undo_migration")
    assert "proven by checksum" in told.out
    assert "changed since" not in told.out, "nobody but wnm has changed anything"
    assert difference(before, seen()) == {}
    assert (anm.pids()[2], anm.pids()[3]) == (pids[2], pids[3])
    # anm works again.
    subprocess.run(["bash", str(SCRIPT)], check=True)
    assert "tick" in (DATA / "simplelog").read_text()
    assert root.run("--undo_migration").code == 2
    # And it can be taken over again; undoing that is cut short, and finished before anything else.
    root.good(*MIGRATE)
    with root.begin("--undo_migration") as process:
        assert process.stdout is not None
        assert any("proven by checksum" in said for said in process.stdout)
        os.killpg(process.pid, signal.SIGKILL)
    if not CRON.exists():
        refused = root.run(*MIGRATE)
        assert refused.code in (2, 3), refused
        root.good("--undo_migration")
    assert CRON.exists()
    assert {path for path in difference(before, seen()) if "wnm_active" not in path} == set()


STEPS = ("keeping copies", "moving /etc/cron.d/anm", "reading everything", "giving", "writing", "seen after")


def kill_at(step: str, root: Life) -> None:
    """wnm is killed as soon as it says that it takes this step."""
    with root.begin(*MIGRATE) as process:
        assert process.stdout is not None
        assert any(said.startswith(step) for said in process.stdout), f"it takes this step: {step}"
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.usefixtures("anm_ground")
def test_killed_at_any_step_it_goes_on_or_back() -> None:
    """What follows ends well whichever way it goes."""
    anm, root = AnmMachine(nodes=(1,), started=(1,)), as_root()
    anm.build()
    try:
        before, pids = seen(), anm.pids()
        for step in STEPS:
            kill_at(step, root)
            root.good("--undo_migration")
            assert difference(before, seen()) == {}, step
        # One that is killed again at each step goes on from there all the same.
        for step in STEPS:
            kill_at(step, root)
        result = root.run(*MIGRATE)
        assert result.code == 0 or "is there already" in result.err, result
        assert not CRON.exists()
        assert {number: str(row.status) for number, row in root.rows().items()} == {1: "RUNNING"}
        root.good("--undo_migration")
        assert difference(before, seen()) == {}
        assert anm.pids() == pids
        assert not TORN_DOWN.exists()
    finally:
        anm.wipe()


def test_what_happens_while_anm_is_waited_for(anm: AnmMachine, root: Life) -> None:
    # Its config goes: it stays off.
    SLOWNESS.write_text("120")
    with (
        subprocess.Popen(["bash", str(SCRIPT)], stdout=subprocess.DEVNULL) as running,
        root.begin(*MIGRATE) as process,
    ):
        assert process.stdout is not None
        assert any(said.startswith("waiting for process") for said in process.stdout)
        (DATA / "config").rename(DATA / "config.away")
        let_it_end(running)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "every node would be deleted" in said
    assert not CRON.exists()
    (DATA / "config.away").rename(DATA / "config")
    root.good("--undo_migration")
    assert CRON.exists()
    # The connection is lost: it gets its machine back.
    with subprocess.Popen(["bash", str(SCRIPT)], stdout=subprocess.DEVNULL) as running:
        with root.begin(*MIGRATE) as process:
            assert process.stdout is not None
            assert any(said.startswith("waiting for process") for said in process.stdout)
            assert not CRON.exists()
            # Nobody reads any more, and the signal comes twice: neither keeps it from the way back.
            process.stdout.close()
            process.stdout = None
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "SIGHUP" in said or "SIGTERM" in said
        assert CRON.exists()
        let_it_end(running)
