"""Settings of an older wnm: carried over in wnm's units, never guessed, and only what wnm accepts."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.storage.old_databases import GENERATIONS, build

from wnm.core.errors import BadInput
from wnm.core.host import Host
from wnm.core.layers import Layer, resolve
from wnm.core.settings import SPECS, read, render
from wnm.storage.old_database import OldMachine, OldValue, read_old_colony
from wnm_adopt.old_wnm import manager_of, settings_from_old, why_not
from wnm_adopt.plan import SettingsReader

WALLET = "0x" + "1" * 40
USER = Host(platform="linux", is_root=False, user="ada", home="/home/ada", environ={}, usable_cores=4.0)
ROOT = replace(USER, is_root=True, user="root", home="/root")
ORDINARY: dict[str, OldValue] = {
    "rewards_address": WALLET,
    "process_manager": "systemd+user",
    "port_start": 55,
    "metrics_port_start": 13,
    "node_storage": "/data/node",
    "node_cap": 20,
}


def machine(values: Mapping[str, OldValue]) -> OldMachine:
    return OldMachine(values={**ORDINARY, **values}, delays_in="seconds")


def carried(values: Mapping[str, OldValue], host: Host = USER) -> SettingsReader:
    return settings_from_old(machine(values), host)


def of(generation: str, folder: Path, host: Host) -> SettingsReader:
    return settings_from_old(read_old_colony(build(folder, generation)).machine, host)


def test_the_latest_generation(tmp_path: Path) -> None:
    found = of("0.6", tmp_path, USER)
    wanted = {
        "rewards_address": f"{WALLET}:100,faucet:1,donate:10",
        "donate_address": "0x" + "2" * 40,
        "delay_start": "5",
        "delay_restart": "10",
        "delay_remove": "1.5",
        "survey_delay": "50",
        "action_delay": "200",
        "max_concurrent_upgrades": "2",
        "max_concurrent_operations": "4",
        "desired_load_average": "1.2",
        "max_load_average_allowed": "2",
        "port_start": "47",
        "metrics_port_start": "48",
        "process_manager": "systemd+user",
        "no_upnp": "false",
        "environment": "A=1 B=2",
        "node_storage": "/home/ada/nodes",
        "crisis_bytes": "2000000000",
    }
    assert {name: found.given.get(name) for name in wanted} == wanted
    assert "antnode_path" not in found.given
    assert tuple(found.notes) == (
        "environment was one variable for nodes there, whatever its words; new nodes get one for each word",
        "node_storage was '~/nodes' there, taken literally; new nodes go to /home/ada/nodes now",
    )
    assert found.blocking(accept_defaults=False) == (
        "older database: node_cap '-5': it is out of bounds; "
        "give --node_cap N, or --accept_defaults for node_cap 50",
    )
    assert found.blocking(accept_defaults=True) == ()


def test_one_that_came_from_anm(tmp_path: Path) -> None:
    found = of("0.5", tmp_path, ROOT)
    assert [line.split(": ")[1] for line in found.blocking(accept_defaults=False)] == [
        "rewards_address 'e'",
        "mem_remove '120'",
        "cpu_less_than 85 and cpu_remove 80",
        "hd_less_than 70 and hd_remove 0",
    ]
    assert found.blocking(accept_defaults=True) == (
        "older database: rewards_address 'e': 'e' is not an address; give --rewards_address WALLETS",
    )
    assert (found.given["process_manager"], found.given["metrics_port_start"]) == ("systemd", "13")
    assert found.given["delay_start"] == "0.08333333333333333"
    assert tuple(found.notes) == tuple(
        f"{name} was 5 seconds there; if it came from anm, which counts in minutes, give --{name} 5"
        for name in ("delay_start", "delay_upgrade")
    )


def test_an_early_one_under_setsid(tmp_path: Path) -> None:
    found = of("0.1", tmp_path, USER)
    assert found.blocking(accept_defaults=False) == ()
    assert found.given["process_manager"] == "setsid"
    assert found.given["antnode_path"] == "/opt/antnode"
    assert found.given["start_args"] == "--ip 10.0.0.1"
    assert tuple(found.notes) == ("start_args had no effect there; new nodes get them now",)


def test_the_first_one_counted_in_minutes_and_named_no_process_manager(tmp_path: Path) -> None:
    found = of("0.0.9", tmp_path, ROOT)
    assert (found.given["delay_start"], found.given["delay_remove"]) == ("5", "300")
    assert (found.given["hdio_read_remove"], found.given["netio_write_remove"]) == ("0", "2000000")
    assert found.blocking(accept_defaults=True) == (
        "older database: process_manager is not known: it is not there; "
        "give --process_manager systemd|systemd+user|setsid|launchd",
    )


@pytest.mark.parametrize("generation", GENERATIONS)
def test_wnm_accepts_what_is_given(generation: str, tmp_path: Path) -> None:
    host = USER if generation in ("0.1", "0.6") else ROOT
    found = of(generation, tmp_path, host)
    by_hand = {"rewards_address": WALLET, "process_manager": found.given.get("process_manager", "systemd")}
    layers = [Layer(name="command line", values=by_hand), Layer(name="older database", values=found.given)]
    resolved = resolve(layers, host)
    kept = {name: text for name, text in found.given.items() if name not in by_hand}
    assert {name: resolved.text(name) for name in kept} == kept


def test_no_machine_at_all() -> None:
    found = settings_from_old(None, USER)
    assert found.given == {}
    assert [name for each in found.open for name in each.options] == [
        "rewards_address",
        "process_manager",
        "port_start",
        "node_storage",
    ]
    assert (
        settings_from_old(None, USER, [name for each in found.open for name in each.options]).blocking(False)
        == ()
    )


def test_what_is_given_by_hand_is_not_looked_at() -> None:
    found = settings_from_old(
        machine({"node_cap": -1, "cpu_less_than": 90, "cpu_remove": 10, "rewards_address": None}),
        USER,
        {"node_cap", "cpu_remove", "rewards_address"},
    )
    assert found.blocking(accept_defaults=False) == ()
    assert not {"node_cap", "cpu_remove", "rewards_address"} & set(found.given)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("node_cap", 0, "it would remove every node"),
        ("node_cap", "many", "not a whole number"),
        ("port_start", 99, "out of bounds"),
        ("cpu_remove", 101, "out of bounds"),
        ("max_load_average_allowed", float("inf"), "not a number"),
        ("max_concurrent_operations", 0, "out of bounds"),
        ("delay_remove", -60, "out of bounds"),
        ("no_upnp", 2, "neither true nor false"),
        ("host", "a b", "right form"),
        ("environment", "A=1\nB=2", "line break"),
        ("environment", "A=1 A=2", "twice"),
        ("start_args", "'", "quote"),
        ("node_storage", "nodes", "not absolute"),
        ("node_storage", "/a,/b", "comma"),
        ("node_storage", "/", "cannot hold nodes"),
        ("antnode_path", "antnode", "not absolute"),
        ("crisis_bytes", -1, "out of bounds"),
    ],
)
def test_what_cannot_be_right_waits_for_a_word(name: str, value: OldValue, why: str) -> None:
    found = carried({name: value})
    [line] = found.blocking(accept_defaults=False)
    assert line.startswith(f"older database: {name} ")
    assert why in line
    assert f"--{name}" in line
    assert "\n" not in line
    assert name not in found.given
    assert found.blocking(accept_defaults=True) == ()


def test_ports_that_do_not_fit_are_never_replaced_silently() -> None:
    crowded: tuple[dict[str, OldValue], ...] = ({"port_start": 65, "node_cap": 900}, {"port_start": 13})
    for values in crowded:
        [line] = carried(values).blocking(accept_defaults=True)
        assert line.endswith("give --node_cap N or --port_start THOUSANDS or --metrics_port_start THOUSANDS")


def test_no_default_decides_who_is_paid() -> None:
    for wrong in ("0x12", "--rewards-address=0x12", f"{WALLET}:0", f"{WALLET}:-1"):
        [line] = carried({"rewards_address": wrong}).blocking(accept_defaults=True)
        assert line.startswith("older database: rewards_address ")
    assert (
        len(carried({"rewards_address": "donate", "donate_address": "me"}).blocking(accept_defaults=True))
        == 1
    )
    assert carried({"rewards_address": "faucet", "donate_address": "me"}).blocking(accept_defaults=True) == ()


def test_weighted_wallets_are_written_as_wnm_writes_them() -> None:
    found = carried({"rewards_address": f" {WALLET}:100 ,, Faucet:1,DONATE "})
    assert found.given["rewards_address"] == f"{WALLET}:100,faucet:1,donate:1"


def test_thresholds_of_zero_are_off() -> None:
    found = carried({"netio_read_less_than": 10**9, "netio_read_remove": 0, "hdio_write_remove": 5})
    assert found.blocking(accept_defaults=False) == ()
    assert (found.given["netio_read_less_than"], found.given["netio_read_remove"]) == ("1000000000", "0")
    [line] = carried({"netio_read_less_than": 9, "netio_read_remove": 5}).blocking(accept_defaults=False)
    assert line.startswith("older database: netio_read_less_than 9 and netio_read_remove 5: ")


@pytest.mark.parametrize(
    ("there", "host", "here"),
    [
        ("systemd+sudo", ROOT, "systemd"),
        ("systemd+sudo", USER, "systemd"),
        ("systemd", ROOT, "systemd"),
        ("Systemd+User", USER, "systemd+user"),
        ("setsid+user", USER, "setsid"),
        ("setsid", USER, "setsid"),
        ("setsid+sudo", ROOT, "setsid"),
        ("setsid+sudo", USER, None),
        ("launchd+user", replace(USER, platform="darwin"), "launchd"),
        ("launchd+user", USER, None),
        ("systemd+user", replace(USER, platform="darwin"), None),
        ("launchd+sudo", replace(ROOT, platform="darwin"), None),
        ("antctl+zen", USER, None),
        ("antctl+sudo", ROOT, None),
        ("antctl", USER, None),
        ("docker", USER, None),
        ("s6overlay", USER, None),
        ("supervisord", USER, None),
        ("", USER, None),
    ],
)
def test_process_managers(there: str, host: Host, here: str | None) -> None:
    assert manager_of(there, host) == here
    assert (why_not(there, host) is None) == (here is not None)
    if there and here is None:
        [line] = carried({"process_manager": there}, host).blocking(accept_defaults=True)
        assert "; give --process_manager " in line
        assert "accept_defaults" not in line


VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-1, 120),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(
        ["", "~", "donate", "0x", "systemd+sudo", "antctl+user", "/data", "$HOME", "A=1 B", "1e400"]
    ),
)


@given(
    st.dictionaries(st.sampled_from([*SPECS, "nonsense"]), VALUES), st.sampled_from(["seconds", "minutes"])
)
def test_whatever_the_database_holds_wnm_would_accept_what_is_given(
    values: dict[str, OldValue], delays_in: str
) -> None:
    held = OldMachine(
        values={**ORDINARY, **values}, delays_in="minutes" if delays_in == "minutes" else "seconds"
    )
    found = settings_from_old(held, USER)
    assert all(line.isprintable() for line in (*found.blocking(False), *found.notes))
    for name, text in found.given.items():
        assert render(name, read(name, text, USER)) == text
    if not found.blocking(accept_defaults=True):
        try:
            resolve([Layer(name="older database", values=found.given)], USER)
        except BadInput as error:
            pytest.fail(str(error))
