"""Taking over from anm on a machine that it really manages: units that run, rules of UFW, its own files."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.cli.operator import eventually
from tests.systemd.anm_machine import (
    CONFIG,
    CRON,
    DATA,
    MIGRATE,
    RAN,
    SCRIPT,
    SERVICES,
    SLOWNESS,
    TORN_DOWN,
    UNITS,
    WALLET,
    AnmMachine,
    seen,
)
from tests.systemd.life import Life, added_rules, do, offer, with_sudo
from tests.systemd.picture import difference, picture


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


@pytest.mark.usefixtures("anm_ground")
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
