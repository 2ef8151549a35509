"""The life of an ordinary user's nodes, kept by a systemd of the user's own, as cron would start it."""

import os
import re
import shlex
import signal
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from tests.systemd.life import Life, children, do, end_lingering, linger, name, of_a_user, offer
from tests.systemd.picture import difference, picture
from tests.waiting import eventually


@pytest.fixture(scope="module")
def life() -> Iterator[Life]:
    """Two nodes of a user who lingers."""
    user = of_a_user()
    offer()
    linger()
    eventually(lambda: Path(f"/run/user/{uid(user)}/systemd/private").exists())
    try:
        user.init()
        user.bring_up(2)
        yield user
    finally:
        linger()
        eventually(lambda: Path(f"/run/user/{uid(user)}/systemd/private").exists())
        user.end()
        end_lingering()


@pytest.fixture
def user(life: Life) -> Iterator[Life]:
    """Two nodes that run; everything agrees afterwards."""
    life.bring_up(2)
    yield life
    assert life.disagreements() == []


def uid(life: Life) -> int:
    """The number of the account."""
    return life.home.stat().st_uid


def is_another(life: Life, before: dict[str, list[int]]) -> bool:
    """Whether the first node has another process than before."""
    return life.pids().get(name(1), before[name(1)]) != before[name(1)]


def systemctl(*words: str) -> str:
    """What `systemctl --user` says."""
    return do("systemctl", "--user", *words, user="operator").strip()


def test_without_lingering_it_is_refused_with_the_command_that_helps() -> None:
    user = of_a_user()
    offer()
    before = picture()
    refused = user.run("--init", "--rewards_address=faucet", "--process_manager=systemd+user")
    assert (refused.code, refused.out, len(refused.lines)) == (3, "", 1)
    assert difference(before, picture()) == {}
    command = re.search(r"sudo (loginctl enable-linger operator)", refused.err)
    assert command, refused
    do(*shlex.split(command[1]))
    eventually(lambda: Path(f"/run/user/{uid(user)}/systemd/private").exists())
    try:
        user.init()
    finally:
        user.end()
        end_lingering()


def test_units_links_folders_and_processes_are_the_users(user: Life) -> None:
    for node_id in user.rows():
        unit = user.unit(node_id)
        assert (unit.owner(), stat.S_IMODE(unit.stat().st_mode)) == ("operator", 0o644)
        assert "\nUser=" not in unit.read_text()
        assert user.link(node_id).readlink() == unit
        assert systemctl("is-enabled", name(node_id)) == "enabled"
        process = psutil.Process(user.pid(node_id))
        assert process.username() == "operator"
        assert f"/wnm.slice/{name(node_id)}.service" in Path(f"/proc/{process.pid}/cgroup").read_text()
        for folder in (user.folder(node_id), user.logs / name(node_id)):
            assert (folder.owner(), stat.S_IMODE(folder.stat().st_mode)) == ("operator", 0o700)
        assert (user.folder(node_id) / "antnode").owner() == "operator"


def test_nodes_heal_by_systemd_alone(user: Life) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM):
        old = user.pids()
        os.kill(user.pid(1), number)
        eventually(partial(is_another, user, old))
    assert len(user.good().lines) == 1


def test_a_drop_in_outlives_an_upgrade(user: Life) -> None:
    drop_in = user.units / f"{name(1)}.service.d" / "mine.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nEnvironment=FROM_THE_OPERATOR=yes\n")
    systemctl("daemon-reload")
    try:
        old = user.pids()
        offer("0.4.18")
        user.cycles_until(lambda: user.versions() == ["0.4.18"] * 2, at_most=3)
        user.good()
        assert all(old[each] != pids for each, pids in user.pids().items())
        assert psutil.Process(user.pid(1)).environ()["FROM_THE_OPERATOR"] == "yes"
        assert drop_in.exists()
    finally:
        drop_in.unlink()
        drop_in.parent.rmdir()
        systemctl("daemon-reload")


def test_a_lower_cap_takes_everything_of_a_node(user: Life) -> None:
    user.cycles_until(lambda: len(user.rows()) == 1, "--node_cap=1", at_most=3)
    (left,) = (name(node_id) for node_id in user.rows())
    assert children(user.nodes) == [left]
    assert children(user.units) == [f"{left}.service", "default.target.wants", "wnm.slice"]
    assert (
        systemctl("list-units", "--all", "--no-legend", "--plain", "antnode*").split()[0] == f"{left}.service"
    )


def test_nodes_end_with_lingering_and_are_back_after_it_is_allowed_again(user: Life) -> None:
    do("loginctl", "disable-linger", "operator")
    eventually(lambda: user.pids() == {})
    told = user.run()
    assert (told.code, told.out, len(told.lines)) == (3, "", 1)
    assert "sudo loginctl enable-linger operator" in told.err
    user.good("status")
    linger()
    eventually(lambda: len(user.pids()) == 2)
    user.cycles_until(lambda: list(user.statuses().values()) == ["RUNNING"] * 2, at_most=2)
