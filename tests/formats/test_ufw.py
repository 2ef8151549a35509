"""The status of ufw, one text per case; those without an error in them were printed by ufw 0.36.2."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wnm.core.observation import FirewallReading, PortRule, Unseen
from wnm.formats.ufw import (
    UfwRule,
    UfwStatus,
    live_failure,
    looks_after_ipv6,
    own_rule,
    parse_status,
    reading_of,
)

CASES = Path(__file__).parent / "cases" / "ufw"
HEAD = """Status: active

     To                         Action      From
     --                         ------      ----
"""


def text_of(name: str) -> str:
    """The text of a case, with the line ends that it has."""
    return (CASES / f"{name}.txt").read_bytes().decode()


@pytest.mark.parametrize("case", sorted(each.stem for each in CASES.glob("*.txt")))
def test_status(case: str) -> None:
    expected = json.loads((CASES / f"{case}.json").read_text())
    status = parse_status(text_of(case))
    if "unseen" in expected:
        assert isinstance(status, Unseen)
        assert status.reason.startswith(expected["unseen"])
        return
    assert isinstance(status, UfwStatus)
    assert len(status.rules) == expected.get("rules", len(status.rules))
    assert reading_of(status, ipv6=expected.get("ipv6", True)) == FirewallReading(
        active=expected["active"],
        own=tuple(PortRule(port=p, comment=c, whole=whole) for p, c, whole in expected.get("own", [])),
        opened_by_others=frozenset(expected.get("opened_by_others", [])),
        note=expected.get("note"),
    )


def test_rules_are_what_ufw_says() -> None:
    status = parse_status(text_of("every_shape"))
    assert isinstance(status, UfwStatus)
    rules = dict(enumerate(status.rules, 1))
    assert rules[1] == UfwRule(
        action="ALLOW", direction="IN", to="55001/udp", source="Anywhere", comment="wnm antnode0001"
    )
    assert rules[7].comment == 'he said "ja" # größe ☃ (log)'
    assert rules[8].to == "6000:6100/udp"
    assert rules[11].to == "My App"
    assert rules[17] == UfwRule(
        action="ALLOW",
        direction="IN",
        to="55012/udp",
        source="Anywhere",
        flags="log",
        comment="wnm antnode0012",
    )
    assert (rules[23].direction, rules[23].flags, rules[23].comment) == ("OUT", "log, out", None)
    assert (rules[25].to, rules[25].direction, rules[25].source) == (
        "Anywhere on lo",
        "FWD",
        "10.0.0.0/8 on eth0",
    )
    assert rules[29].comment == " wnm antnode0022"
    assert rules[30].comment is not None
    assert rules[30].comment.startswith("wnm antnode0023\n[99] 55024/udp ")
    assert rules[31].comment == "wnm antnode0025\r"
    assert rules[32].comment == "wnm antnode0026\u2028x"
    assert [rules[number].v6 for number in (1, 33, 44, 56)] == [False, True, True, True]


def test_a_port_is_what_allow_would_write_or_overwrite() -> None:
    status = parse_status(text_of("every_shape"))
    assert isinstance(status, UfwStatus)
    ports = {rule.udp_port for rule in status.rules if not rule.v6} - {None}
    plain = {1, 2, 3, 4, 7, 9, 10, 11, 12, 13, 19, 21, 22, 23, 25, 26}
    assert ports == {55000 + number for number in plain}


@given(st.text(max_size=300))
def test_any_text_is_a_status_or_not_understood(text: str) -> None:
    for body in (text, HEAD + text, HEAD + "[ 1] " + text):
        assert isinstance(parse_status(body), UfwStatus | Unseen)


_comments = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="'"), min_size=1, max_size=40)


@given(st.lists(st.tuples(st.integers(1, 65535), st.none() | _comments), max_size=20))
def test_whatever_is_in_comments_every_rule_is_found(rules: list[tuple[int, str | None]]) -> None:
    text = HEAD if rules else "Status: active\n"
    for number, (port, comment) in enumerate(rules, 1):
        text += f"[{number:2d}] {f'{port}/udp':26} ALLOW IN    {'Anywhere':26}"
        text += "\n" if comment is None else f" # {comment}\n"
    status = parse_status(text + "\n")
    assert isinstance(status, UfwStatus)
    assert [(rule.udp_port, rule.comment) for rule in status.rules] == rules


def test_an_own_rule_is_read_as_one() -> None:
    rules = tuple(own_rule(55001, "wnm antnode0001", v6=v6) for v6 in (False, True))
    assert all(rule.is_own for rule in rules)
    assert [rule.v6 for rule in rules] == [False, True]
    text = text_of("both_families")
    status = parse_status(text)
    assert isinstance(status, UfwStatus)
    assert rules == (status.rules[0], status.rules[4])


HOSTILE = {
    "spaces": HEAD + "[ 1] 5" + " " * 1_000_000,
    "line ends": HEAD + "\n" * 1_000_000,
    "flags": HEAD + "[ 1] 5 ALLOW IN Anywhere" + " (a" * 300_000,
    "letters in flags": HEAD + "[ 1] 5 ALLOW IN Anywhere (" + "a, " * 300_000,
    "actions": HEAD + "[ 1] 5" + " ALLOW" * 200_000,
    "numbers": HEAD + "[ 1] 5 ALLOW IN Anywhere # x" + "\n[  " * 200_000,
    "heading": "Status: active\n" + " " * 1_000_000 + "x",
    "first line": "Status: " * 100_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_takes_time_in_proportion_to_its_length(text: str) -> None:
    began = time.process_time()
    status = parse_status(text)
    # Quadratic time would be minutes; the bound is far from both.
    assert time.process_time() - began < 10
    assert not isinstance(status, Unseen) or len(status.reason) < 200


DEFAULTS = '# /etc/default/ufw\n\n# Set to yes\nIPV6={}\n\nDEFAULT_INPUT_POLICY="DROP"\n'


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([DEFAULTS.format("yes")], True),
        ([DEFAULTS.format('"Yes"')], True),
        ([DEFAULTS.format("no")], False),
        ([DEFAULTS.format("yes"), "ENABLED=yes\nLOGLEVEL=low\n"], True),
        ([DEFAULTS.format("yes"), "IPV6=no\n"], False),
        ([DEFAULTS.format("no"), "ipv6=yes\n"], True),
        (["#IPV6=yes\n IPV6=yes\nIPV6 = yes\nIPV66=yes\n"], False),
        (["IPV6=\n"], False),
        (["IPV6==yes\n"], False),
        ([], False),
    ],
)
def test_settings_of_ufw(texts: list[str], expected: bool) -> None:
    assert looks_after_ipv6(*texts) is expected


def test_only_what_iptables_said_is_a_failure() -> None:
    harmless = (
        "WARN: / is group writable!\n"
        "/usr/lib/python3/dist-packages/ufw/common.py:165: SyntaxWarning: invalid escape sequence '\\d'\n"
        "  elif re.match('^\\d+$', p): # iptables\n"
    )
    assert live_failure("") is None
    assert live_failure(harmless) is None
    for line in (
        "iptables: Resource temporarily unavailable.",
        "ip6tables v1.8.11 (nf_tables): RULE_APPEND failed (No such file or directory)",
        "Another app is currently holding the xtables lock. Perhaps you want to use the -w option?",
    ):
        assert live_failure(f"{harmless}{line}\n\n") == line
