"""From anm's files to wnm's settings: what is given, what a person has to decide, and with which option."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from wnm.core.host import Host
from wnm.core.layers import Layer, resolve
from wnm.core.settings import SPECS, read, render
from wnm_adopt.anm_settings import NUMBERS, AnmTexts, read_anm_settings
from wnm_adopt.plan import SettingsReader

ROOTS = Path(__file__).parent / "cases" / "anm"
ADDRESS = "0xa1b2c3d4e5f60718293a4b5c6d7e8f9001122334"
HOST = Host(
    platform="linux", is_root=True, user="root", home="/root", environ={"HOME": "/root"}, usable_cores=8.0
)


def texts_of(root: str) -> AnmTexts:
    """The files of an installation."""

    def text(path: str) -> str | None:
        file = ROOTS / root / path
        return file.read_bytes().decode(errors="surrogateescape") if file.exists() else None

    return AnmTexts(
        config=text("var/antctl/config"),
        override=text("var/antctl/override"),
        script=text("usr/bin/anms.sh"),
        system=text("var/antctl/system"),
        node_details=text("var/antctl/NodeDetails"),
    )


VANILLA = texts_of("vanilla")
CONFIG = VANILLA.config or ""


def read_with(
    override: str | None = None,
    *,
    texts: AnmTexts = VANILLA,
    unit_ports: tuple[tuple[int, int], ...] = (),
    unit_storages: tuple[str, ...] = (),
    by_hand: frozenset[str] = frozenset(),
) -> SettingsReader:
    """What an installation says, with an override."""
    return read_anm_settings(
        replace(texts, override=override),
        cores=8,
        host=HOST,
        unit_ports=unit_ports,
        unit_storages=unit_storages,
        by_hand=by_hand,
    )


def test_a_plain_installation_is_taken_over_as_it_is() -> None:
    found = read_with()
    assert found.given == {
        "node_cap": "20",
        "cpu_less_than": "50",
        "cpu_remove": "70",
        "mem_less_than": "70",
        "mem_remove": "90",
        "hd_less_than": "70",
        "hd_remove": "90",
        "desired_load_average": "4.8",
        "max_load_average_allowed": "8",
        "delay_start": "5",
        "delay_restart": "5",
        "delay_upgrade": "5",
        "delay_remove": "10",
        "node_storage": "/var/antctl/services",
        "rewards_address": ADDRESS,
        "node_version": "0.4.16",
        "port_start": "55",
    }
    assert (found.open, found.notes, found.teardown_pending) == ([], [], False)
    assert found.blocking(accept_defaults=False) == ()


def test_delays_are_minutes() -> None:
    settings = resolve([Layer(name="anm", values=read_with("DelayReStart=7").given)], HOST).settings
    assert settings.delay_start.total_seconds() == 300
    assert settings.delay_restart.total_seconds() == 420
    assert settings.delay_remove.total_seconds() == 600


@pytest.mark.parametrize(
    ("override", "name", "text"),
    [
        ("NodeCap=30", "node_cap", "30"),
        ("export NodeCap='31' # more", "node_cap", "31"),
        ("NodeCap=32\nNodeCap=33\n", "node_cap", "33"),
        ("NodeCap=$CpuCount", "node_cap", "8"),
        ("DesiredLoadAverage=.6", "desired_load_average", "0.6"),
        ("CpuLessThan=60.5", "cpu_less_than", "60.5"),
        ("NodeStorage=/mnt/nodes/", "node_storage", "/mnt/nodes"),
        (f"RewardsAddress={ADDRESS}", "rewards_address", ADDRESS),
        ("NodeVersion='--version=0.4.17'", "node_version", "0.4.17"),
    ],
)
def test_the_override_wins(override: str, name: str, text: str) -> None:
    found = read_with(override)
    assert found.given[name] == text
    assert found.blocking(accept_defaults=False) == ()


@pytest.mark.parametrize("version", ['NodeVersion=""', "NodeVersion=", "unset NodeVersion"])
def test_without_a_version_none_is_pinned(version: str) -> None:
    found = read_with(version)
    assert "node_version" not in found.given
    assert found.blocking(accept_defaults=False) == ()


UNKNOWN = [
    ("NodeCap=$(nproc)", "node_cap", "it runs a command"),
    ("NodeCap=$((2*8))", "node_cap", "it is calculated"),
    ("[ -f x ] && CpuRemove=90", "cpu_remove", "can only be told by running it"),
    ("unset NodeCap", "node_cap", "can only be told by running it"),
    ("DelayStart=$Somewhere", "delay_start", "$Somewhere is not set before it"),
    ("NodeStorage=~/nodes", "node_storage", "~ stands for a home folder"),
    ("RewardsAddress=`cat wallet`", "rewards_address", "it runs a command"),
    (
        'RewardsAddress="--rewards-address EtheriumAddress"',
        "rewards_address",
        "it is the placeholder of anm's installer",
    ),
    ("RewardsAddress='--rewards-address=0x12'", "rewards_address", "it holds no address"),
]


@pytest.mark.parametrize(("line", "option", "reason"), UNKNOWN)
def test_what_is_unknown_blocks_until_it_is_given_by_hand(line: str, option: str, reason: str) -> None:
    found = read_with(line)
    for accept_defaults in (False, True):
        (message,) = found.blocking(accept_defaults)
        assert message.startswith(f"/var/antctl/override:1: {line}: ")
        assert reason in message
        assert f"give --{option} " in message
    assert option not in found.given
    by_hand = read_with(line, by_hand=frozenset({option}))
    assert by_hand.blocking(accept_defaults=False) == ()
    assert option not in by_hand.given


def test_an_unknown_version_is_told_and_does_not_block() -> None:
    found = read_with("NodeVersion=$(x)")
    assert [(each.keys, each.matters) for each in found.open] == [(("NodeVersion",), False)]
    assert found.blocking(accept_defaults=False) == ()


WRONG = [
    ("CpuRemove=NaN", ("cpu_remove",)),
    ("CpuRemove=inf", ("cpu_remove",)),
    ("MemRemove=101", ("mem_remove",)),
    ("MemRemove=70%", ("mem_remove",)),
    ("HDLessThan=-1", ("hd_less_than",)),
    ("MemLessThan=", ("mem_less_than",)),
    ("DelayStart=5m", ("delay_start",)),
    ("DelayRemove=010", ("delay_remove",)),
    ("DelayRemove=99999999999999999999", ("delay_remove",)),
    ("NodeCap=2.5", ("node_cap",)),
    ("NodeCap=99999", ("node_cap",)),
    ("MaxLoadAverageAllowed=8*2", ("max_load_average_allowed",)),
    ("CpuLessThan=80", ("cpu_less_than", "cpu_remove")),
    ("HDRemove=70", ("hd_less_than", "hd_remove")),
    ("DesiredLoadAverage=9", ("desired_load_average", "max_load_average_allowed")),
    ("NodeStorage=nodes", ("node_storage",)),
    ("NodeStorage='/mnt/a,/mnt/b'", ("node_storage",)),
    ("NodeStorage='/mnt/$HOME'", ("node_storage",)),
    ("NodeStorage=/", ("node_storage",)),
    ("NodeVersion=latest", ("node_version",)),
]


@pytest.mark.parametrize(("line", "names"), WRONG)
def test_what_cannot_be_right_is_replaced_only_if_that_is_accepted(line: str, names: tuple[str, ...]) -> None:
    found = read_with(line)
    (message,) = found.blocking(accept_defaults=False)
    assert "/var/antctl/" in message
    assert all(f"--{name} " in message for name in names)
    assert "--accept_defaults for " in message
    assert found.blocking(accept_defaults=True) == ()
    assert set(names).isdisjoint(found.given)
    (wrong,) = found.open
    assert wrong.defaults == {name: SPECS[name].form.render(SPECS[name].default_for(HOST)) for name in names}


LIMITS_AND_DELAYS = [(key, name) for key, name in NUMBERS.items() if key not in ("NodeCap", "CpuLessThan")]


@pytest.mark.parametrize(("key", "name"), LIMITS_AND_DELAYS)
def test_a_limit_or_delay_that_is_merely_missing_is_a_default_with_a_remark(key: str, name: str) -> None:
    config = "".join(line for line in CONFIG.splitlines(keepends=True) if not line.startswith(f"{key}="))
    assert config != CONFIG
    found = read_with(texts=replace(VANILLA, config=config))
    assert found.blocking(accept_defaults=False) == ()
    default = SPECS[name].form.render(SPECS[name].default_for(HOST))
    assert tuple(found.notes) == (
        f"/var/antctl/config: {key} is not set: wnm's default holds, {name} {default}",
    )
    assert name not in found.given


@pytest.mark.parametrize(
    ("gone", "more", "name", "text"),
    [
        ("CpuLessThan=50", "", "cpu_less_than", "61.2"),
        ("CpuRemove=70", "CpuLessThan=84", "cpu_remove", "96"),
        ("HDRemove=90", "HDLessThan=99", "hd_remove", "100"),
        ("DesiredLoadAverage=4.8", "MaxLoadAverageAllowed=1", "desired_load_average", "0.6"),
        ("MaxLoadAverageAllowed=8.0", "DesiredLoadAverage=48", "max_load_average_allowed", "80"),
    ],
)
def test_a_default_that_the_other_limit_forbids_is_taken_in_proportion(
    gone: str, more: str, name: str, text: str
) -> None:
    config = CONFIG.replace(f"{gone}\n", "") + f"{more}\n"
    found = read_with(texts=replace(VANILLA, config=config))
    assert found.blocking(accept_defaults=False) == ()
    assert found.given[name] == text
    (note,) = found.notes
    assert "does not fit" in note


def test_a_missing_delay_is_not_known_if_another_line_could_have_set_it() -> None:
    config = CONFIG.replace("DelayRemove=10\n", "") + "for DelayRemove in 3; do :; done\n"
    (message,) = read_with(texts=replace(VANILLA, config=config)).blocking(accept_defaults=True)
    assert ": DelayRemove is not known: " in message
    assert "give --delay_remove " in message


def test_a_config_without_a_cap_blocks() -> None:
    config = CONFIG.replace("NodeCap=20\n", "")
    (message,) = read_with(texts=replace(VANILLA, config=config)).blocking(accept_defaults=False)
    assert "NodeCap is not set" in message


def test_a_default_that_stands_in_has_to_fit_what_it_stands_beside() -> None:
    found = read_with("CpuLessThan=x\nCpuRemove=60\n")
    assert [each.keys for each in found.open] == [("CpuLessThan",), ("CpuRemove",)]
    assert {"cpu_less_than", "cpu_remove"}.isdisjoint(found.given)


def test_what_is_given_by_hand_is_not_compared() -> None:
    found = read_with("CpuLessThan=95", by_hand=frozenset({"cpu_remove"}))
    assert found.given["cpu_less_than"] == "95"
    assert found.open == []


def test_ports_leave_room_for_the_nodes() -> None:
    texts = replace(VANILLA, script="ntpr=65\n")
    found = read_with("NodeCap=600", texts=texts)
    assert [each.keys for each in found.open] == [("NodeCap", "ntpr")]
    assert found.given["port_start"] == "65"
    assert "node_cap" not in found.given


UNITS = ((1, 56001), (2, 56002))


@pytest.mark.parametrize(
    ("script", "units", "port_start"),
    [
        ("ntpr=50\n", (), "50"),
        ("ntpr=50\n", UNITS, "50"),
        ("ntpr=50\n#ntpr=51\n", (), "50"),
        ("ntpr=$1\n", UNITS, "56"),
        ("ntpr=13\n", UNITS, "56"),
        ("", UNITS, "56"),
        (None, UNITS, "56"),
        (None, (), None),
        ("ntpr=13\n", (), None),
        ("ntpr=66\n", (), None),
        ("ntpr=055\n", (), None),
        ("ntpr=13\n", ((1, 56001), (2, 57002)), None),
        (None, ((1, 13001),), None),
        (None, ((1, 8080),), None),
    ],
)
def test_the_base_of_ports(
    script: str | None, units: tuple[tuple[int, int], ...], port_start: str | None
) -> None:
    found = read_with(texts=replace(VANILLA, script=script), unit_ports=units)
    assert found.given.get("port_start") == port_start
    blocking = found.blocking(accept_defaults=True)
    assert (blocking == ()) == (port_start is not None)
    assert all("give --port_start " in line for line in blocking)


BIG = "ntpr=55\nif [ $CpuCount -ge 24 ]; then\n  DelayStart=9\n  DelayUpgrade=$X\nfi\n"


def test_on_big_machines_the_delays_of_the_script_win() -> None:
    texts = replace(VANILLA, script=BIG, system="CpuCount=32\n")
    found = read_with("DelayStart=$(x)\nDelayUpgrade=8", texts=texts)
    assert found.given["delay_start"] == "9"
    (message,) = found.blocking(accept_defaults=True)
    assert message.startswith("/usr/bin/anms.sh:4: DelayUpgrade=$X: ")
    assert any("DelayStart is the script's own 9" in note for note in found.notes)
    small = read_with("DelayStart=6", texts=replace(texts, system="CpuCount=23\n"))
    assert (small.given["delay_start"], small.given["delay_upgrade"]) == ("6", "5")


def test_on_big_machines_a_number_wins_wherever_it_stands_in_the_script() -> None:
    texts = replace(VANILLA, script="ntpr=55\nDelayStart=2\n", system="CpuCount=32\n")
    big = read_with(texts=texts)
    assert big.given["delay_start"] == "2"
    (note,) = big.notes
    assert note.startswith("with 32 cores DelayStart is the script's own 2 (/usr/bin/anms.sh:2), ")
    small = read_with(texts=replace(texts, system="CpuCount=23\n"))
    assert small.given["delay_start"] == "5"
    assert tuple(small.notes) == ("/usr/bin/anms.sh:2: DelayStart=2: the script itself may set DelayStart",)


def test_delays_that_the_script_sets_in_other_cases_are_told() -> None:
    script = "ntpr=55\nif [ $(nproc) -le 4 ]; then\n  DelayStart=3\nfi\n"
    found = read_with(texts=replace(VANILLA, script=script))
    assert found.given["delay_start"] == "5"
    assert tuple(found.notes) == ("/usr/bin/anms.sh:3: DelayStart=3: the script itself may set DelayStart",)


def test_a_line_that_is_no_plain_assignment_is_not_known() -> None:
    found = read_with(texts=replace(VANILLA, config=CONFIG.replace("NodeCap=", "declare NodeCap=")))
    (message,) = found.blocking(accept_defaults=True)
    assert "declare NodeCap=20: NodeCap is not known: " in message


def test_on_a_big_machine_without_the_script_that_is_said() -> None:
    texts = replace(VANILLA, script=None, system="CpuCount=24\n")
    found = read_with(texts=texts, unit_ports=UNITS)
    assert found.given["delay_start"] == "5"
    assert [note for note in found.notes if "DelayStart" in note and "24 cores" in note]


def test_units_tell_where_nodes_are_if_the_config_does_not() -> None:
    found = read_with("NodeStorage=$(x)", unit_storages=("/mnt/nodes",))
    assert found.blocking(accept_defaults=False) == ()
    assert "node_storage" not in found.given
    both = read_with(unit_storages=("/var/antctl/services", "/mnt/nodes"))
    assert both.given["node_storage"] == "/var/antctl/services"
    assert tuple(both.notes) == ("nodes are in /mnt/nodes too, not only in /var/antctl/services",)


def test_a_missing_config_is_a_teardown_that_is_about_to_happen() -> None:
    found = read_with(texts=texts_of("teardown_pending"))
    assert found.teardown_pending
    assert found.given == {}
    missing = next(each for each in found.open if each.defaults)
    assert set(missing.keys) == {*NUMBERS, "NodeStorage"}
    assert "there is no such file" in missing.line


def test_an_asked_for_teardown_is_seen() -> None:
    assert read_with("Action=4").teardown_pending
    assert not read_with("Action=1").teardown_pending
    assert not read_with("Action=$(x)").teardown_pending
    assert all(len(read_with(f"Action={action}").notes) == 1 for action in ("1", "2", "4", "$(x)"))


def test_windows_line_ends_are_named() -> None:
    found = read_with(texts=replace(VANILLA, config=CONFIG.replace("\n", "\r\n")))
    lines = found.blocking(accept_defaults=False)
    assert len(lines) == len(NUMBERS) + 3
    assert all("ends as on Windows" in line for line in lines)


def test_what_is_not_taken_over_is_told() -> None:
    found = read_with("Foo=1\nsource /etc/other\nUpgradeHour=3\n")
    assert tuple(found.notes) == (
        "/var/antctl/override:2: source /etc/other: what it changes can only be told by running it",
        "not taken over, for wnm knows nothing like it: Foo",
    )


_keys = st.sampled_from([*NUMBERS, "RewardsAddress", "NodeStorage", "NodeVersion", "Action"])
_values = st.sampled_from(
    ["", "0", "5", "50", "90", "99.9", "100", "101", "-1", ".5", "1e9", "NaN", "$(x)", "$NodeCap", "/", "/a", "/a,/b",
     "/a/../b", "'/a b'", "~", f"'--rewards-address {ADDRESS}'", "'--version 0.4.1'", "'--version 1'", "\r", "9999"]
) | st.text(max_size=10)  # fmt: skip
_configs = st.lists(st.tuples(_keys, _values), max_size=25).map(
    lambda pairs: "".join(f"{key}={value}\n" for key, value in pairs)
)


@given(_configs, st.sampled_from(["ntpr=55", "ntpr=1", "ntpr=12", "ntpr=14", "ntpr=65", "", "ntpr=$1"]))
def test_what_is_given_is_never_refused_by_init(override: str, script: str) -> None:
    found = read_with(override, texts=replace(VANILLA, script=script))
    for name, text in found.given.items():
        assert render(name, read(name, text, HOST)) == text
    if not found.blocking(accept_defaults=True):
        resolve([Layer(name="anm", values=found.given)], HOST)
    for line in found.blocking(accept_defaults=False):
        assert line.isprintable()


@given(st.text(max_size=200), st.none() | st.text(max_size=200), st.none() | st.text(max_size=100))
def test_no_text_makes_it_fail(config: str, script: str | None, system: str | None) -> None:
    texts = AnmTexts(config=config, script=script, system=system)
    found = read_with(texts=texts)
    assert all(name in SPECS for name in found.given)
    assert found.blocking(accept_defaults=False) != ()
