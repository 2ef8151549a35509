"""Taking over from anm on a machine that it really manages: units that run, a cron that fires, rules of UFW."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.operator import eventually
from tests.systemd.anm_machine import (
    CONFIG,
    CRON,
    DATA,
    RAN,
    SCRIPT,
    SERVICES,
    SLOWNESS,
    TORN_DOWN,
    UNITS,
    WALLET,
    AnmMachine,
)
from tests.systemd.life import Life, added_rules, as_root, do, with_sudo
from tests.systemd.picture import Picture, difference, picture

MIGRATE = ("--init", "--migrate_anm")
CHANGES_BY_ITSELF = ("/var/antctl/simplelog", "/var/antctl/log", "/var/antctl/block")


@pytest.fixture(scope="module", autouse=True)
def _firewall() -> Iterator[None]:
    do("ufw", "--force", "enable")
    yield
    do("ufw", "disable")


@pytest.fixture
def anm() -> Iterator[AnmMachine]:
    """A stock installation of three nodes; afterwards nothing of it is left."""
    machine = AnmMachine()
    machine.build()
    yield machine
    machine.wipe()


@pytest.fixture
def root() -> Life:
    return as_root()


def seen() -> Picture:
    """The machine without what a takeover keeps for itself and what anm writes while it runs."""
    return {
        # What a node writes while it runs is its own business; that nothing is added to it is not.
        path: None if path.startswith(f"{SERVICES}/antnode") and not path.endswith("/antnode") else what
        for path, what in picture().items()
        if "/takeover-" not in path and path not in CHANGES_BY_ITSELF and path != "processes"
    }


def switch_cron_off() -> None:
    """anm's own runs would change the picture: the ones that matter are started by hand."""
    do("systemctl", "stop", "cron")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    switch_cron_off()
    yield
    do("systemctl", "start", "cron")


def test_a_rehearsal_says_everything_and_changes_nothing(anm: AnmMachine, root: Life) -> None:
    before, pids = picture(), anm.pids()
    told = root.good(*MIGRATE, "--dry_run").out
    for each in (
        "node_cap = 3", "delay_start = 5", "delay_restart = 6", "delay_upgrade = 7", "delay_remove = 10",
        "cpu_less_than = 98", "port_start = 57", f"rewards_address = {WALLET}", "node_storage = /var/antctl/services",
        "antnode0001: port 57001, metrics 13001, /var/antctl/services/antnode0001, as ant",
        "environment: ANT_LOG=ant_evm=error", "/etc/cron.d/anm", "do not start with the machine",
    ):  # fmt: skip
        assert each in told, told
    assert difference(before, picture()) == {}
    assert anm.pids() == pids


def test_the_nodes_go_on_with_everything_as_it_was_and_anm_is_off(anm: AnmMachine, root: Life) -> None:
    pids = anm.pids()
    units = {path: path.read_bytes() for path in UNITS.glob("antnode*.service")}
    told = root.good(*MIGRATE)
    assert not CRON.exists()
    assert SCRIPT.exists()
    assert (DATA / "config").read_text() == CONFIG
    rows = root.rows()
    assert sorted(rows) == [1, 2, 3]
    for number, row in rows.items():
        assert (row.port, row.metrics_port, row.wallet, row.user) == (
            57000 + number,
            13000 + number,
            WALLET,
            "ant",
        )
        assert row.root_dir == f"/var/antctl/services/antnode{number:04d}"
        assert row.environment == (("ANT_LOG", "ant_evm=error"),)
        assert row.command is not None
        assert row.command[:2] == ("--no-upnp", "--bootstrap-cache-dir")
        assert str(row.status) == "RUNNING"
        assert f"antnode{number:04d}: RUNNING, process {pids[number]} running" in told.out
    for _ in range(3):
        root.good()
    assert anm.pids() == pids, "no node was restarted"
    assert {path: path.read_bytes() for path in UNITS.glob("antnode*.service")} == units
    assert [rule for rule in added_rules() if "'wnm " in rule] == [], "anm's own rules are enough"
    assert not TORN_DOWN.exists()
    again = root.run(*MIGRATE)
    assert again.code == 2
    assert "is there already" in again.err


def test_adopted_nodes_live_on_under_wnm(anm: AnmMachine, root: Life) -> None:
    root.good(*MIGRATE)
    pids = anm.pids()
    # Killed: systemd brings it back, as its unit says.
    os.kill(int(pids[2]), signal.SIGKILL)
    eventually(lambda: anm.pids()[2] not in ("0", pids[2]))
    # Stopped by hand and started again, by the unit that was found.
    root.good("--force_action=stop", "--service_name=antnode0003")
    assert anm.pids()[3] == "0"
    root.good("--force_action=start", "--service_name=antnode0003")
    eventually(lambda: anm.pids()[3] != "0")
    assert "Written by wnm" not in (UNITS / "antnode0003.service").read_text()
    # Upgraded: the program in its folder is another one, the unit is not.
    program = anm.home / ".local/bin/antnode"
    from tests.systemd.life import offer

    offer("0.4.18", program)
    shutil.chown(program, anm.user, anm.user)
    root.cycles_until(
        lambda: root.versions() == ["0.4.18"] * 3 and set(root.statuses().values()) == {"RUNNING"},
        "--delay_upgrade=0", "--delay_start=0", "--delay_restart=0",
        at_most=12,
    )  # fmt: skip
    assert "Written by wnm" not in (UNITS / "antnode0001.service").read_text()
    # Removed: with its unit, its folder, its logs and the rule that anm had made.
    root.good("--force_action=remove", "--service_name=antnode0002", "--confirm", "--delay_remove=0")
    root.cycles_until(lambda: 2 not in root.rows(), "--node_cap=2", "--delay_remove=0", at_most=4)
    assert not (UNITS / "antnode0002.service").exists()
    assert not (SERVICES / "antnode0002").exists()
    assert not any("57002/udp" in rule for rule in added_rules())
    assert list((DATA / "keys").iterdir()), "its key is kept"


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
    assert CRON.stat().st_mtime_ns
    # anm works again.
    subprocess.run(["bash", str(SCRIPT)], check=True)
    assert "tick" in (DATA / "simplelog").read_text()
    assert root.run("--undo_migration").code == 2
    # And it can be taken over again.
    root.good(*MIGRATE)
    root.good("--undo_migration")


STEPS = ("keeping copies", "moving /etc/cron.d/anm", "reading everything", "giving", "writing", "seen after")


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


def test_a_run_of_anm_that_is_under_way_is_waited_for(anm: AnmMachine, root: Life) -> None:
    SLOWNESS.write_text("6")
    running = subprocess.Popen(["bash", str(SCRIPT)], stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    assert (DATA / "block").exists()
    told = root.good(*MIGRATE)
    assert f"waiting for process {running.pid}" in told.out
    assert running.wait() == 0
    assert "tick" in (DATA / "simplelog").read_text(), "it was let alone to its end"


def test_a_stale_block_of_a_killed_run_is_no_obstacle(anm: AnmMachine, root: Life) -> None:
    (DATA / "block").touch()
    began = time.monotonic()
    root.good(*MIGRATE)
    assert time.monotonic() - began < 60
    assert (DATA / "block").exists(), "it is anm's"


@pytest.mark.parametrize("how", ["no config", "Action=4"])
def test_a_machine_that_anm_is_about_to_tear_down_is_not_touched(
    anm: AnmMachine, root: Life, how: str
) -> None:
    if how == "no config":
        (DATA / "config").unlink()
    else:
        (DATA / "config").write_text(CONFIG + "Action=4\n")
    before = picture()
    result = root.run(*MIGRATE)
    assert result.code == 3
    assert "DANGER" in result.out
    assert "sudo mv /etc/cron.d/anm" in result.out
    assert difference(before, picture()) == {}


def test_nothing_in_hostile_files_is_run(root: Life) -> None:
    canary = f"touch {RAN}"
    config = CONFIG.replace("NodeCap=3", f"NodeCap=$({canary}; echo 3)") + f"`{canary}`\nEvil=$({canary})\n"
    anm = AnmMachine(
        config=config,
        extra={
            "/var/antctl/override": f"CpuRemove=$(( $({canary}) + 1 ))\neval {canary}\n",
            "/home/sudoer/.local/share/anm-wallet": f"{canary}\nRewardsAddress=evil\n",
            "/etc/systemd/system/antnode0009.service": "[Service]\nExecStart=/bin/sh -c 'rm -rf /'\n",
            "/etc/systemd/system/antnode0008.service": (
                "[Service]\nUser=ant\nExecStart=/antnode --root-dir / --port 57008 --metrics-server-port 13008 "
                f"--rewards-address {WALLET} evm-arbitrum-one\n"
            ),
            "/etc/systemd/system/antnode0001.service.bak": "old",
        },
    )
    anm.build()
    try:
        before = picture()
        result = root.run(*MIGRATE, "--dry_run")
        assert result.code == 3
        assert "config:" in result.out
        assert "NodeCap=$(" in result.out
        assert "--node_cap" in result.out
        assert difference(before, picture()) == {}
        told = root.good(*MIGRATE, "--node_cap=3", "--cpu_remove=99").out
        for name in ("antnode0009.service", "antnode0008.service", "antnode0001.service.bak"):
            assert f"{name} (/etc/systemd/system/{name})" in told
        assert sorted(root.rows()) == [1, 2, 3]
        assert not RAN.exists(), "something was run"
        root.good()
        assert sorted(root.rows()) == [1, 2, 3]
    finally:
        anm.wipe()
        Path("/home/sudoer/.local/share/anm-wallet").unlink(missing_ok=True)


def test_a_user_with_sudo_takes_over_as_anm_did(anm: AnmMachine) -> None:
    user = with_sudo()
    before, pids = seen(), anm.pids()
    told = user.good(*MIGRATE)
    assert "antnode0003: RUNNING" in told.out
    assert user.database.exists()
    assert user.database.owner() == "sudoer"
    user.good()
    assert anm.pids() == pids
    user.good("--undo_migration")
    # The folder for its data, which it made, holds what was kept; the other is sudo's.
    made = {
        "/home/sudoer/.local/share",
        "/home/sudoer/.local/share/autonomi",
        "/home/sudoer/.sudo_as_admin_successful",
    }
    assert set(difference(before, seen())) <= made


def test_companions_are_replaced_by_wnms_own_report(anm: AnmMachine, root: Life) -> None:
    influx = Path("/etc/cron.d/influx_resources")
    text = influx.read_text()
    root.good(*MIGRATE, "--companions=replace")
    assert not influx.exists()
    ours = Path("/etc/cron.d/wnm_influx_resources").read_text()
    assert ours.splitlines()[1].startswith("*/20 * * * * root /usr/bin/mkdir -p /tmp/influx-resources && ")
    root.good()
    do("sh", "-c", ours.splitlines()[1].split(" root ")[1])
    assert "nodes,id=0001" in Path("/tmp/influx-resources/influx-resources").read_text()
    root.good("--undo_migration")
    assert influx.read_text() == text
    assert not Path("/etc/cron.d/wnm_influx_resources").exists()


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


def test_wnm_runs_as_root_beside_the_config_of_anm(anm: AnmMachine, root: Life) -> None:
    """wnm has a file of the same name there; anm's is not for it."""
    (DATA / "config").write_bytes(b"ENVIRONMENT=prod\nNODE_CAP=1\n" + CONFIG.encode() + b"# \xff\n")
    shutil.chown(DATA / "config", anm.user, anm.user)
    pids = anm.pids()
    root.good(*MIGRATE)
    root.good()
    assert root.rows()[1].environment == (("ANT_LOG", "ant_evm=error"),)
    assert anm.pids() == pids
    root.good("--undo_migration")
