"""Which layer wins, what is written to the database, and what is refused."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from tests.settings.hosts import MAC, ROOT, USER, WALLET, given, initial, resolved, stored

from wnm.core.errors import BadInput
from wnm.core.layers import Change, resolve
from wnm.core.settings import SPECS

MIXED = "0x00455d78f850b0358E8cea5be24d415E01E107CF"


def test_the_highest_layer_wins_and_is_named() -> None:
    layers = [
        given(node_cap="1"),
        given("environment", node_cap="2", cpu_remove="90"),
        given("/home/ada/wnm/config", node_cap="3", cpu_remove="91", mem_remove="92"),
        stored(node_cap="4", cpu_remove="93", mem_remove="94", hd_remove="95"),
    ]
    found = resolve(layers, USER)
    settings = found.settings
    assert (settings.node_cap, settings.cpu_remove, settings.mem_remove, settings.hd_remove) == (
        1,
        90,
        92,
        95,
    )
    names = ("node_cap", "cpu_remove", "mem_remove", "hd_remove", "delay_start")
    origins = ["command line", "environment", "/home/ada/wnm/config", "database", "default"]
    assert [found.origins[name] for name in names] == origins
    assert set(found.origins) == set(SPECS)


def test_an_overruled_text_is_not_even_read_so_that_a_bad_one_can_be_replaced() -> None:
    found = resolve([given(node_cap="5"), stored(node_cap="rubbish")], USER)
    assert found.settings.node_cap == 5
    assert found.changes == (Change(name="node_cap", old_text="rubbish", new_text="5"),)


def test_changes_are_what_the_database_does_not_hold_yet() -> None:
    layers = [
        given(node_cap="7", delay_start="5.0", crisis_bytes="3GB", this_action_delay="100"),
        stored(node_cap="4", delay_start="5"),
    ]
    assert resolve(layers, USER).changes == (
        Change(name="node_cap", old_text="4", new_text="7"),
        Change(name="crisis_bytes", old_text=None, new_text="3000000000"),
    )


def test_the_same_value_in_other_words_is_no_change() -> None:
    layers = [given(no_upnp="YES", node_storage="~/.local/share/autonomi/node/"), stored(no_upnp="true")]
    assert resolve(layers, USER).changes == ()


def test_without_a_database_nothing_is_a_change() -> None:
    assert resolved(given(node_cap="7")).changes == ()


@pytest.mark.parametrize("name", ["environment", "start_args", "node_version"])
def test_texts_can_be_cleared(name: str) -> None:
    text = {"environment": "A=1", "start_args": "--relay", "node_version": "0.4.17"}[name]
    found = resolve([given(**{name: ""}), stored(**{name: text})], USER)
    assert found.text(name) == ""
    assert found.changes == (Change(name=name, old_text=text, new_text=""),)
    assert resolve([stored(**{name: ""})], USER).text(name) == ""


def test_this_run_only_overrules_for_this_run() -> None:
    found = resolve([given(this_action_delay="0", this_survey_delay="5"), stored(action_delay="900")], USER)
    assert found.settings.pause_between_actions == timedelta(0)
    assert found.settings.pause_between_polls == timedelta(milliseconds=5)
    assert found.changes == ()
    plain = resolve([stored(action_delay="900")], USER).settings
    assert plain.pause_between_actions == timedelta(milliseconds=900)


FIXED = [
    ("port_start", "56", ["55", "55000"]),
    ("metrics_port_start", "14", ["13", "13000"]),
    ("process_manager", "systemd+user", ["setsid", "setsid+user"]),
    ("node_kind", "ant-node", ["antnode"]),
    ("node_user", "bob", ["ant"]),
]


def test_the_fixed_settings_are_those_of_the_table() -> None:
    assert {name for name, _, _ in FIXED} == {name for name, spec in SPECS.items() if spec.fixed}
    assert {name for name, spec in SPECS.items() if not spec.persisted} == {
        "this_action_delay",
        "this_survey_delay",
    }


@pytest.mark.parametrize(("name", "other", "same"), FIXED)
def test_fixed_settings_may_only_be_given_again(name: str, other: str, same: list[str]) -> None:
    for text in same:
        found = resolve([given(**{name: text}), stored()], USER)
        assert found.changes == ()
        assert found.origins[name] == "command line"
    with pytest.raises(BadInput) as caught:
        resolve([given("environment", **{name: other}), stored()], USER)
    assert str(caught.value).startswith(f"{name} cannot be '{other}' (environment): ")
    assert str(caught.value).endswith("since --init and cannot change; leave it out")


def test_a_lower_layer_may_not_contradict_a_fixed_setting_either() -> None:
    with pytest.raises(BadInput, match="port_start cannot be '56'"):
        resolve([given(port_start="55"), given("/home/ada/wnm/config", port_start="56"), stored()], USER)


def test_a_fixed_setting_that_the_database_lacks_has_its_default() -> None:
    database = stored()
    values = {name: text for name, text in database.values.items() if name != "port_start"}
    with pytest.raises(BadInput, match="port_start"):
        resolve([given(port_start="56"), given("database", **values)], USER)


def test_init_may_give_anything_fixed() -> None:
    assert (
        resolved(given(port_start="40", process_manager="launchd+user")).settings.process_manager == "launchd"
    )


def test_init_stores_what_was_given_what_is_fixed_and_what_another_shell_would_change() -> None:
    texts = initial(node_cap="5", this_action_delay="3")
    assert texts["node_cap"] == "5"
    assert "this_action_delay" not in texts
    assert "cpu_remove" not in texts
    assert texts["port_start"] == "55"
    assert texts["antnode_path"] == "/home/ada/.local/bin/antnode"
    assert texts["rewards_address"] == WALLET
    moved = resolve([given("database", **texts)], MAC)
    assert moved.settings.node_storage == ("/home/ada/.local/share/autonomi/node",)


def test_defaults_of_an_ordinary_linux_user() -> None:
    settings = resolved().settings
    assert settings.process_manager == "setsid"
    assert settings.firewall == "null"
    assert (settings.desired_load_average, settings.max_load_average_allowed) == (2.4, 4.0)
    assert settings.node_storage == ("/home/ada/.local/share/autonomi/node",)
    assert settings.log_storage == "/home/ada/.local/share/autonomi/logs"
    assert settings.key_storage == "/home/ada/.local/share/autonomi/keys"
    assert settings.antnode_path == "/home/ada/.local/bin/antnode"


def test_defaults_of_root_on_linux() -> None:
    settings = resolved(host=ROOT).settings
    assert settings.process_manager == "systemd"
    assert settings.firewall == "ufw"
    assert settings.desired_load_average == 1.8
    assert settings.node_storage == ("/var/antctl/services",)
    assert settings.log_storage == "/var/log/antnode"
    assert settings.key_storage == "/var/antctl/keys"


def test_defaults_on_a_mac() -> None:
    settings = resolved(host=MAC).settings
    assert settings.process_manager == "launchd"
    assert settings.node_storage == ("/Users/ada/Library/Application Support/autonomi/node",)
    assert settings.log_storage == "/Users/ada/Library/Logs/autonomi"
    assert settings.antnode_path == "/opt/bin/antnode"


def test_an_account_whose_home_is_the_root_folder() -> None:
    host = replace(USER, home="/")
    settings = resolved(given(log_storage="~/logs", key_storage="~"), host=host).settings
    assert settings.node_storage == ("/.local/share/autonomi/node",)
    assert settings.antnode_path == "/.local/bin/antnode"
    assert (settings.log_storage, settings.key_storage) == ("/logs", "/")


def test_the_documented_defaults() -> None:
    found = resolved()
    expected = {
        "donate_address": "0x00455d78f850b0358E8cea5be24d415E01E107CF",
        "node_cap": "50",
        "cpu_less_than": "70",
        "cpu_remove": "80",
        "mem_less_than": "70",
        "mem_remove": "80",
        "hd_less_than": "70",
        "hd_remove": "80",
        "netio_read_less_than": "0",
        "hdio_write_remove": "0",
        "max_concurrent_upgrades": "1",
        "max_concurrent_starts": "1",
        "max_concurrent_removals": "1",
        "max_concurrent_operations": "1",
        "delay_start": "5",
        "delay_restart": "10",
        "delay_upgrade": "5",
        "delay_remove": "10",
        "action_delay": "0",
        "survey_delay": "0",
        "this_action_delay": "",
        "port_start": "55",
        "metrics_port_start": "13",
        "node_user": "ant",
        "environment": "",
        "start_args": "",
        "no_upnp": "true",
        "host": "127.0.0.1",
        "crisis_bytes": "2000000000",
        "node_version": "",
        "poll_timeout": "2",
        "cycle_timeout": "50",
        "unresponsive_restart": "30",
        "stop_grace": "30",
        "history_days": "30",
        "keep_keys": "true",
    }
    assert {name: found.text(name) for name in expected} == expected


def test_a_wallet_is_required() -> None:
    with pytest.raises(BadInput, match=r"^rewards_address is not given: add --rewards_address with 0x"):
        resolve([given(node_cap="1")], USER)


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(BadInput, match=r"'node_capp' .database.: did you mean node_cap\?"):
        resolve([given("database", node_capp="1")], USER)


@pytest.mark.parametrize("text", ["x\ny" * 100, "\x1b[31m", "\udcff", "9" * 3000])
def test_errors_are_one_short_line(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        resolved(given("environment", node_cap=text))
    message = str(caught.value)
    assert message.startswith("node_cap cannot be ")
    assert "(environment)" in message
    assert message.endswith("give a whole number from 0 to 9999 nodes")
    assert message.isprintable()
    assert len(message) < 250


class Recorder:
    """An address check that finds everything wrong and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, address: str) -> str | None:
        self.asked.append(address)
        return "wrong"


def test_a_new_address_in_mixed_case_is_checked() -> None:
    check = Recorder()
    with pytest.raises(BadInput, match=f"^rewards_address cannot be '{MIXED}' .command line.: wrong$"):
        resolve([given(rewards_address=f"faucet:1,{MIXED}:2"), stored()], USER, check_address=check)
    with pytest.raises(BadInput, match="donate_address"):
        resolve([given(donate_address=MIXED), stored()], USER, check_address=check)
    assert check.asked == [MIXED, MIXED]


@pytest.mark.parametrize("layer", [given(rewards_address=MIXED), given("environment", node_cap="3")])
def test_an_address_that_the_database_holds_is_not_checked_again(layer: object) -> None:
    check = Recorder()
    database = stored(rewards_address=MIXED)
    resolve([layer, database], USER, check_address=check)  # type: ignore[list-item]
    assert check.asked == []


def test_an_address_without_checksum_is_not_checked() -> None:
    check = Recorder()
    upper = "0x" + WALLET[2:].upper()
    resolve([given(rewards_address=f"{WALLET}:1,{upper}:1,faucet:1")], USER, check_address=check)
    assert check.asked == []
