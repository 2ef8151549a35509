"""A takeover from anm that is killed, given up or undone: the machine is as it was, or it goes on."""

import os
import signal
import subprocess

import pytest
from tests.systemd.anm_machine import (
    CRON,
    DATA,
    MIGRATE,
    SCRIPT,
    SLOWNESS,
    TORN_DOWN,
    AnmMachine,
    seen,
)
from tests.systemd.life import Life, as_root, do, with_sudo
from tests.systemd.picture import difference


def test_undone_the_machine_is_what_it_was_bit_for_bit(anm: AnmMachine, root: Life) -> None:
    before, pids = seen(), anm.pids()
    root.good(*MIGRATE)
    root.good()
    root.good("--force_action=stop", "--service_name=antnode0001")
    root.good("--force_action=start", "--service_name=antnode0001")
    told = root.good("--undo_migration")
    assert "proven by checksum" in told.out
    assert difference(before, seen()) == {}
    assert (anm.pids()[2], anm.pids()[3]) == (pids[2], pids[3])
    # anm works again.
    subprocess.run(["bash", str(SCRIPT)], check=True)
    assert "tick" in (DATA / "simplelog").read_text()
    assert root.run("--undo_migration").code == 2
    # And it can be taken over again.
    root.good(*MIGRATE)
    root.good("--undo_migration")


STEPS = ("keeping copies", "moving /etc/cron.d/anm", "reading everything", "giving", "writing", "seen after")


@pytest.mark.usefixtures("anm_ground")
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("then", ["--init", "--undo_migration"])
def test_killed_at_any_step_it_goes_on_or_back(step: str, then: str) -> None:
    """wnm is killed as soon as it says that it takes a step; what follows ends well whichever way it goes."""
    anm, root = AnmMachine(nodes=(1,), started=(1,)), as_root()
    anm.build()
    try:
        before, pids = seen(), anm.pids()
        with root.begin(*MIGRATE) as process:
            assert process.stdout is not None
            assert any(said.startswith(step) for said in process.stdout), "it takes this step"
            os.killpg(process.pid, signal.SIGKILL)
        if then == "--init":
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


def test_undoing_is_refused_while_there_are_nodes_that_anm_does_not_know(anm: AnmMachine, root: Life) -> None:
    root.good(*MIGRATE, "--node_cap=4")
    root.cycles_until(lambda: len(root.rows()) == 4, "--delay_start=0", "--delay_restart=0", at_most=8)
    refused = root.run("--undo_migration")
    assert refused.code == 3
    assert "--service_name antnode0004" in refused.err
    assert not CRON.exists()
    root.good("--force_action=remove", "--service_name=antnode0004", "--confirm")
    root.cycles_until(lambda: len(root.rows()) == 3, "--node_cap=3", "--delay_remove=0", at_most=4)
    root.good("--undo_migration")
    assert CRON.exists()


def test_without_its_config_anm_is_never_switched_on_again(anm: AnmMachine, root: Life) -> None:
    """Its absence is anm's order to delete every node."""
    user = with_sudo()
    user.good(*MIGRATE)
    away = DATA.with_name("antctl-away")
    DATA.rename(away)
    refused = user.run("--undo_migration")
    assert refused.code == 3, refused
    assert "stays switched off" in refused.err
    assert not CRON.exists()
    away.rename(DATA)
    config = (DATA / "config").read_text()
    (DATA / "config").unlink()
    user.good("--undo_migration")
    assert (DATA / "config").read_text() == config, "it comes back before anm does"
    subprocess.run(["bash", str(SCRIPT)], check=True)
    assert not TORN_DOWN.exists()


def test_a_config_that_goes_while_anm_is_waited_for_leaves_anm_off(anm: AnmMachine, root: Life) -> None:
    SLOWNESS.write_text("4")
    with subprocess.Popen(["bash", str(SCRIPT)], stdout=subprocess.DEVNULL), root.begin(*MIGRATE) as process:
        assert process.stdout is not None
        assert any(said.startswith("waiting for process") for said in process.stdout)
        (DATA / "config").rename(DATA / "config.away")
        _, said = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "every node would be deleted" in said
    assert not CRON.exists()
    (DATA / "config.away").rename(DATA / "config")
    root.good("--undo_migration")
    assert CRON.exists()


def test_a_lost_connection_gives_the_machine_back_to_anm(anm: AnmMachine, root: Life) -> None:
    SLOWNESS.write_text("30")
    with subprocess.Popen(["bash", str(SCRIPT)], stdout=subprocess.DEVNULL) as running:
        with root.begin(*MIGRATE) as process:
            assert process.stdout is not None
            assert any(said.startswith("waiting for process") for said in process.stdout)
            assert not CRON.exists()
            process.send_signal(signal.SIGHUP)
            _, said = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "SIGHUP" in said
        assert CRON.exists()
        os.kill(running.pid, signal.SIGKILL)


def test_the_schedule_of_the_user_ends_with_the_takeover(anm: AnmMachine) -> None:
    user = with_sudo()
    user.good(*MIGRATE)
    user.good("cron", "install")
    assert "wnm" in do("crontab", "-l", user="sudoer")
    user.good("--undo_migration")
    assert subprocess.run(["crontab", "-u", "sudoer", "-l"], capture_output=True, text=True).stdout == ""


def test_a_second_account_cannot_take_the_same_nodes(anm: AnmMachine, root: Life) -> None:
    user = with_sudo()
    user.good(*MIGRATE)
    refused = root.run(*MIGRATE)
    assert refused.code == 3
    assert "taken over already" in refused.out
    assert not root.database.exists()
    user.good("--undo_migration")
    assert not (DATA / "wnm-takeover").exists()


def test_an_undo_that_is_cut_short_is_finished_before_anything_else(anm: AnmMachine, root: Life) -> None:
    before = seen()
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
    left = {path for path in difference(before, seen()) if "wnm_active" not in path}
    assert left == set()
