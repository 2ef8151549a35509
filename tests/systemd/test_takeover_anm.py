"""Taking over from anm on a machine that it really manages: units that run, rules of UFW, its own files."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
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
    let_it_end,
    seen,
)
from tests.systemd.life import Life, added_rules, do, offer, with_sudo
from tests.systemd.picture import difference
from tests.waiting import eventually


def test_rehearsed_and_done_the_nodes_go_on_with_everything_as_it_was_and_anm_is_off(
    anm: AnmMachine, root: Life
) -> None:
    (DATA / "block").touch()  # what a killed run of anm leaves
    before, pids = seen(), anm.pids()
    told = root.good(*MIGRATE, "--dry_run").out
    for each in (
        "node_cap = 3", "delay_start = 5", "delay_restart = 6", "delay_upgrade = 7", "delay_remove = 10",
        "cpu_less_than = 98", "port_start = 57", f"rewards_address = {WALLET}", "node_storage = /var/antctl/services",
        "antnode0001: port 57001, metrics 13001, /var/antctl/services/antnode0001, as ant",
        "environment: ANT_LOG=ant_evm=error", "/etc/cron.d/anm", "do not start with the machine",
    ):  # fmt: skip
        assert each in told, told
    assert difference(before, seen()) == {}
    assert not list(DATA.glob("takeover-*"))
    assert anm.pids() == pids
    units = {path: path.read_bytes() for path in UNITS.glob("antnode*.service")}
    told = root.good(*MIGRATE).out
    assert not CRON.exists()
    assert (DATA / "block").exists(), "it is anm's"
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
        assert f"antnode{number:04d}: RUNNING, process {pids[number]} running" in told
    for _ in range(3):
        root.good()
    assert anm.pids() == pids, "no node was restarted"
    assert {path: path.read_bytes() for path in UNITS.glob("antnode*.service")} == units
    assert [rule for rule in added_rules() if "'wnm " in rule] == [], "anm's own rules are enough"
    assert not TORN_DOWN.exists()
    again = root.run(*MIGRATE)
    assert again.code == 2
    assert "is there already" in again.err


def test_adopted_nodes_live_on_under_wnm_and_go_back_as_far_as_they_are_there(
    anm: AnmMachine, root: Life
) -> None:
    root.good(*MIGRATE, "--node_cap=4")
    pids = anm.pids()
    # Undoing is refused while there are nodes that anm does not know.
    root.cycles_until(lambda: len(root.rows()) == 4, "--delay_start=0", "--delay_restart=0", at_most=8)
    refused = root.run("--undo_migration")
    assert refused.code == 3
    assert "--service_name antnode0004" in refused.err
    assert not CRON.exists()
    root.good("--force_action=update_config", "--node_cap=3")
    root.good("--force_action=remove", "--service_name=antnode0004", "--confirm")
    root.cycles_until(lambda: len(root.rows()) == 3, "--node_cap=3", "--delay_remove=0", at_most=4)
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
    told = root.good("--undo_migration").out
    assert "antnode0002 was removed since" in told
    assert "/etc/ufw/user.rules is not what it was" in told
    assert CRON.exists()
    assert [rule for rule in added_rules() if "'wnm " in rule] == []


def test_a_machine_that_anm_is_about_to_tear_down_is_not_touched(anm: AnmMachine, root: Life) -> None:
    for config in (None, CONFIG + "Action=4\n"):
        if config is None:
            (DATA / "config").unlink()
        else:
            (DATA / "config").write_text(config)
        before = seen()
        result = root.run(*MIGRATE)
        assert result.code == 3
        assert "DANGER" in result.out
        assert "sudo mv /etc/cron.d/anm" in result.out
        assert difference(before, seen()) == {}


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
        before = seen()
        result = root.run(*MIGRATE, "--dry_run")
        assert result.code == 3
        assert "config:" in result.out
        assert "NodeCap=$(" in result.out
        assert "--node_cap" in result.out
        assert difference(before, seen()) == {}
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


def test_a_user_with_sudo_takes_over_as_anm_did(anm: AnmMachine, root: Life) -> None:
    user = with_sudo()
    before, pids = seen(), anm.pids()
    told = user.good(*MIGRATE)
    assert "antnode0003: RUNNING" in told.out
    assert user.database.exists()
    assert user.database.owner() == "sudoer"
    # Another account cannot have the same nodes, in neither way.
    for words in (MIGRATE, ("--init", "--import")):
        refused = root.run(*words)
        assert refused.code == 3, refused
        assert "taken over" in refused.out
        assert not root.database.exists()
    user.good()
    assert anm.pids() == pids
    user.good("cron", "install")
    # Without its config, anm is never switched on again: that would be its order to delete every node.
    away = DATA.with_name("antctl-away")
    DATA.rename(away)
    refused = user.run("--undo_migration")
    assert refused.code == 3, refused
    assert "stays switched off" in refused.err
    assert not CRON.exists()
    assert "wnm" in do("crontab", "-l", user="sudoer"), "what was not undone goes on"
    away.rename(DATA)
    config = (DATA / "config").read_text()
    (DATA / "config").unlink()
    user.good("--undo_migration")
    assert (DATA / "config").read_text() == config, "it comes back before anm does"
    subprocess.run(["bash", str(SCRIPT)], check=True)
    assert not TORN_DOWN.exists()
    assert subprocess.run(["crontab", "-u", "sudoer", "-l"], capture_output=True, text=True).stdout == ""
    # The folder for its data, which it made, holds what was kept; the other is sudo's.
    left = {path for path in difference(before, seen()) if not path.startswith("/home/sudoer/.local/share")}
    assert left <= {"/home/sudoer/.sudo_as_admin_successful"}
    # It may look at what else there is, though what root has kept is shut to it.
    looked = user.run("--init", "--import", "--process_manager=setsid")
    assert looked.code == 3, looked
    assert "setsid has no node" in looked.err


def test_beside_the_files_of_anm_and_while_it_runs(anm: AnmMachine, root: Life) -> None:
    """A run that is under way is waited for, companions are replaced, and anm's config is not taken for wnm's."""
    (DATA / "config").write_bytes(b"ENVIRONMENT=prod\nNODE_CAP=1\n" + CONFIG.encode() + b"# \xff\n")
    shutil.chown(DATA / "config", anm.user, anm.user)
    pids = anm.pids()
    influx = Path("/etc/cron.d/influx_resources")
    text = influx.read_text()
    SLOWNESS.write_text("120")
    with subprocess.Popen(["bash", str(SCRIPT)], stdout=subprocess.DEVNULL) as running:
        eventually((DATA / "block").exists)
        with root.begin(*MIGRATE, "--companions=replace") as process:
            assert process.stdout is not None
            assert any(f"waiting for process {running.pid}" in said for said in process.stdout)
            assert not CRON.exists()
            let_it_end(running)
            _, told = process.communicate(timeout=60)
        assert process.returncode == 0, told
        assert running.wait() == 0
    assert "tick" in (DATA / "simplelog").read_text(), "it was let alone to its end"
    assert not influx.exists()
    ours = Path("/etc/cron.d/wnm_influx_resources").read_text()
    assert ours.splitlines()[1].startswith("*/20 * * * * root /usr/bin/mkdir -p /tmp/influx-resources && ")
    root.good()
    assert root.rows()[1].environment == (("ANT_LOG", "ant_evm=error"),)
    assert anm.pids() == pids
    do("sh", "-c", ours.splitlines()[1].split(" root ")[1])
    assert "nodes,id=0001" in Path("/tmp/influx-resources/influx-resources").read_text()
    root.good("--undo_migration")
    assert influx.read_text() == text
    assert not Path("/etc/cron.d/wnm_influx_resources").exists()
