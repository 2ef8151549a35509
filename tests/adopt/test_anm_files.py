"""The files that anm keeps, its script and its cron lines, one text per case."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wnm_adopt.anm_settings import (
    read_cpu_count,
    read_cron_entries,
    read_node_details,
    rewards_address_of,
    version_of,
)
from wnm_adopt.bash_texts import Known, Unknown, read_script

CASES = Path(__file__).parent / "cases" / "anm"
VANILLA = CASES / "vanilla"
ADDRESS = "0xa1b2c3d4e5f60718293a4b5c6d7e8f9001122334"


def text_of(file: Path) -> str:
    """The text of a file as it is."""
    return file.read_bytes().decode(errors="surrogateescape")


def told(found: Known | Unknown | None) -> Any:
    """A finding as the cases write it."""
    return {"unknown": found.reason} if isinstance(found, Unknown) else found and found.value


def begins_like(found: Any, expected: Any) -> bool:
    """Whether it is what is expected; reasons only have to begin so."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return str(found["unknown"]).startswith(expected["unknown"])
    return bool(found == expected)


@pytest.mark.parametrize("case", sorted(each.stem for each in (CASES / "details").glob("*.txt")))
def test_node_details(case: str) -> None:
    expected = json.loads(text_of(CASES / "details" / f"{case}.json"))
    assert read_node_details(text_of(CASES / "details" / f"{case}.txt")) == {
        node["id"]: (node["peer_id"] or "", node["version"] or "") for node in expected["nodes"]
    }


def test_node_details_of_a_plain_installation() -> None:
    nodes = read_node_details(text_of(VANILLA / "var/antctl/NodeDetails"))
    assert [version for _, version in nodes.values()] == ["0.4.16", "0.4.16", "0.4.15"]
    assert nodes[3][0] == ""


@pytest.mark.parametrize("case", sorted(each.stem for each in (CASES / "scripts").glob("*.txt")))
def test_script(case: str) -> None:
    expected = json.loads(text_of(CASES / "scripts" / f"{case}.json"))
    script = read_script("anms.sh", text_of(CASES / "scripts" / f"{case}.txt"))
    assert begins_like(told(script.port_base), expected["port_base"])
    for name, by_cores in expected["delays"].items():
        for cores, delay in by_cores.items():
            assert begins_like(told(script.delay(name, int(cores))), delay), (name, cores)


def test_script_of_a_plain_installation() -> None:
    script = read_script("anms.sh", text_of(VANILLA / "usr/bin/anms.sh"))
    assert told(script.port_base) == "55"
    assert script.delays == ()


def test_the_cron_line_of_a_plain_installation() -> None:
    (entry,) = read_cron_entries(text_of(VANILLA / "etc/cron.d/anm"))
    assert (entry.user, entry.live, entry.starts_anm) == ("ubuntu", True, True)
    companion = read_cron_entries(text_of(VANILLA / "etc/cron.d/influx_resources"))
    assert [(entry.when, entry.live, entry.starts_anm) for entry in companion] == [
        ("*/20 * * * *", True, False)
    ]


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("* * * * * root /usr/bin/anms.sh", [("root", True)]),
        ("  *\t* * * *\tme  /bin/bash /usr/bin/anms.sh >> /var/antctl/log\r\n", [("me", True)]),
        ("@reboot me /usr/bin/anms.sh\n", [("me", True)]),
        ("# * * * * * ubuntu /bin/bash /usr/bin/anms.sh >> /var/antctl/log\n", [("ubuntu", False)]),
        ("#* * * * * a /usr/bin/anms.sh\n* * * * * b /usr/bin/anms.sh\n", [("a", False), ("b", True)]),
        ("* * * * * me /usr/bin/other.sh\n", []),
        ("* * * * * me /usr/bin/anms.sh.bak\n", []),
        ("PATH=/usr/bin/anms.sh\nnothing\n", []),
        ("", []),
    ],
)
def test_cron_lines(text: str, entries: list[tuple[str, bool]]) -> None:
    found = [(each.user, each.live) for each in read_cron_entries(text) if each.starts_anm]
    assert found == entries


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("CpuCount=8\n", 8),
        ("CpuCount='32'", 32),
        ("CpuCount=$(nproc)\n", None),
        ("CpuCount=0", None),
        ("", None),
    ],
)
def test_cores(text: str, count: int | None) -> None:
    assert read_cpu_count(text) == count


@pytest.mark.parametrize(
    "option",
    [
        f"--rewards-address {ADDRESS}",
        f"--rewards-address={ADDRESS}",
        f"  --rewards-address   {ADDRESS} ",
        ADDRESS,
        f" {ADDRESS}",
    ],
)
def test_addresses(option: str) -> None:
    assert rewards_address_of(option) == ADDRESS


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ("--rewards-address EtheriumAddress", "placeholder"),
        ("EtheriumAddress", "placeholder"),
        ("", "with one value"),
        ("--rewards-address", "with one value"),
        (f"--rewards-address {ADDRESS} {ADDRESS}", "with one value"),
        (f"--rewards-address {ADDRESS}0", "no address"),
        ("--rewards-address=0x12", "no address"),
        (f"--owner {ADDRESS}", "with one value"),
        (f"--rewards-address {ADDRESS}\n", "no address"),
        ("x" * 10_000, "with one value"),
    ],
)
def test_what_is_no_address(option: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rewards_address_of(option)


@pytest.mark.parametrize(
    ("option", "version"),
    [
        ("--version 0.4.16", "0.4.16"),
        ("--version=0.4.16", "0.4.16"),
        ("--version  v0.4.16-rc.1", "0.4.16-rc.1"),
        ("0.4.16", "0.4.16"),
        ("", None),
        ("  ", None),
    ],
)
def test_versions(option: str, version: str | None) -> None:
    assert version_of(option) == version


@pytest.mark.parametrize("option", ["--version", "--version latest", "--version 0.4 .16", "--version 0.4"])
def test_what_is_no_version(option: str) -> None:
    with pytest.raises(ValueError, match="it "):
        version_of(option)


_list_texts = st.text(max_size=60).map(lambda text: f"declare -A node_details_store=({text})")


@given(st.text(max_size=200) | _list_texts)
def test_no_text_makes_them_fail(text: str) -> None:
    assert all(id_ > 0 for id_ in read_node_details(text))
    read_cpu_count(text)
    read_script("anms.sh", text)
    read_cron_entries(text)


_nodes = st.dictionaries(
    st.integers(1, 9999),
    st.tuples(
        st.from_regex(r"(12D3KooW[A-Za-z0-9]{4,44})?", fullmatch=True),
        st.from_regex(r"([0-9]\.[0-9]\.[0-9]{1,2}(-rc\.1)?)?", fullmatch=True),
        st.booleans(),
    ),
    max_size=30,
)


@given(_nodes)
def test_what_bash_writes_of_nodes_is_read_back(nodes: dict[int, tuple[str, str, bool]]) -> None:
    entries = "".join(
        f'[{id_:04d}]="antnode{id_:04d},{peer},{version},{"RUNNING" if running else "STOPPED"}" '
        for id_, (peer, version, running) in nodes.items()
    )
    found = read_node_details(f"declare -A node_details_store=({entries})\n")
    assert found == {id_: (peer, version) for id_, (peer, version, _) in nodes.items()}


@pytest.mark.parametrize(
    "piece", [" [1]=", ' [1]="a', ' [1]="\\', " ", "(", "declare -A node_details_store=(\n"]
)
def test_hostile_lists_of_nodes_are_read_to_their_end(piece: str) -> None:
    assert read_node_details("declare -A node_details_store=(" + piece * 50_000) == {}
