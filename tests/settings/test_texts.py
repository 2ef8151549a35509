"""What each setting accepts, what it means, and how it is written canonically."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.settings.hosts import USER

from wnm.core.forms import FAUCET, WeightedWallet, Window
from wnm.core.settings import SPECS, read, render

ADDRESS = "0x00455d78f850b0358E8cea5be24d415E01E107CF"
LOWER = "0xa1b2c3d4e5f60718293a4b5c6d7e8f9001122334"


EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)


def span(days: tuple[int, ...], start_hours: float, end_hours: float) -> Window:
    start, end = (timedelta(minutes=round(hours * 60)) for hours in (start_hours, end_hours))
    return Window(days=days, start=start, end=end)


def wallet(name: str, weight: int) -> WeightedWallet:
    return WeightedWallet(name_or_address=name, weight=weight)


ACCEPTED: list[tuple[str, str, object, str | None]] = [
    ("rewards_address", ADDRESS, (wallet(ADDRESS, 1),), ADDRESS),
    ("rewards_address", "Faucet", (wallet("faucet", 1),), "faucet"),
    ("rewards_address", "donate:3", (wallet("donate", 3),), "donate:3"),
    (
        "rewards_address",
        f" {LOWER}:100, faucet : 1 ,donate",
        (wallet(LOWER, 100), wallet("faucet", 1), wallet("donate", 1)),
        f"{LOWER}:100,faucet:1,donate:1",
    ),
    ("rewards_address", "faucet,faucet:2", (wallet("faucet", 1), wallet("faucet", 2)), "faucet:1,faucet:2"),
    ("rewards_address", ",".join(["faucet"] * 100), (wallet("faucet", 1),) * 100, None),
    ("donate_address", "faucet", FAUCET, FAUCET),
    ("donate_address", LOWER, LOWER, LOWER),
    ("node_cap", "0", 0, "0"),
    ("node_cap", " +007 ", 7, "7"),
    ("node_cap", "9999", 9999, "9999"),
    ("cpu_less_than", "62.50", 62.5, "62.5"),
    ("cpu_less_than", "70 %", 70.0, "70"),
    ("hd_remove", "1e2", 100.0, "100"),
    ("desired_load_average", ".5", 0.5, "0.5"),
    ("netio_read_less_than", "0", 0, "0"),
    ("netio_read_less_than", "10M", 10_000_000, "10000000"),
    ("netio_read_less_than", "2GB", 2_000_000_000, "2000000000"),
    ("netio_read_less_than", "1.5e6", 1_500_000, "1500000"),
    ("netio_read_less_than", "1.5 MB/s", 1_500_000, "1500000"),
    ("netio_read_less_than", "4KiB", 4096, "4096"),
    ("crisis_bytes", "999999999999999", 999_999_999_999_999, "999999999999999"),
    ("crisis_bytes", "2 GB", 2_000_000_000, "2000000000"),
    ("max_concurrent_starts", "1", 1, "1"),
    ("delay_start", "5", timedelta(minutes=5), "5"),
    ("delay_start", "0.05", timedelta(seconds=3), "0.05"),
    ("delay_start", "90s", timedelta(seconds=90), "1.5"),
    ("delay_remove", "1h", timedelta(hours=1), "60"),
    ("action_delay", "250", timedelta(milliseconds=250), "250"),
    ("action_delay", "2s", timedelta(seconds=2), "2000"),
    ("this_action_delay", "", None, ""),
    ("this_action_delay", "0", timedelta(0), "0"),
    ("poll_timeout", "2", timedelta(seconds=2), "2"),
    ("poll_timeout", "500ms", timedelta(milliseconds=500), "0.5"),
    ("cycle_timeout", "2m", timedelta(minutes=2), "120"),
    ("stop_grace", "0", timedelta(0), "0"),
    ("unresponsive_restart", "0", timedelta(0), "0"),
    ("port_start", "55", 55, "55"),
    ("port_start", "55000", 55, "55"),
    ("port_start", "1000", 1, "1"),
    ("metrics_port_start", "13000", 13, "13"),
    ("process_manager", "systemd+sudo", "systemd", "systemd"),
    ("process_manager", "setsid+user", "setsid", "setsid"),
    ("process_manager", "launchd+user", "launchd", "launchd"),
    ("process_manager", "systemd+user", "systemd+user", "systemd+user"),
    ("process_manager", "SETSID", "setsid", "setsid"),
    ("firewall", "null", "null", "null"),
    ("node_kind", "ant-node", "ant-node", "ant-node"),
    ("node_user", "ant_2-x", "ant_2-x", "ant_2-x"),
    ("self_upgrade", "allow", "allow", "allow"),
    ("no_upnp", "TRUE", True, "true"),
    ("no_upnp", "off", False, "false"),
    ("keep_keys", "0", False, "false"),
    ("host", "127.0.0.1", "127.0.0.1", "127.0.0.1"),
    ("host", "::1", "::1", "::1"),
    ("host", "nas.lan", "nas.lan", "nas.lan"),
    ("node_version", "0.4.17", "0.4.17", "0.4.17"),
    ("node_version", "v0.4.18-rc.1", "0.4.18-rc.1", "0.4.18-rc.1"),
    ("node_version", "2026.02.23", "2026.02.23", "2026.02.23"),
    ("node_version", "", None, ""),
    ("node_version", "None", None, ""),
    ("antnode_path", "~/bin/antnode", "/home/ada/bin/antnode", "/home/ada/bin/antnode"),
    ("antnode_path", "//opt//x/../antnode/", "/opt/antnode", "/opt/antnode"),
    ("log_storage", "~", "/home/ada", "/home/ada"),
    ("key_storage", "${DISK}/my keys", "/mnt/disk-1/my keys", "/mnt/disk-1/my keys"),
    ("node_storage", "$DISK/n, ~/nodes", ("/mnt/disk-1/n", "/home/ada/nodes"), "/mnt/disk-1/n,/home/ada/nodes"),
    ("node_storage", "/mnt/a,/mnt/ab", ("/mnt/a", "/mnt/ab"), "/mnt/a,/mnt/ab"),
    ("environment", "", (), ""),
    ("environment", """A=1 B="x y" C='it'"'"'s' D=""", (("A", "1"), ("B", "x y"), ("C", "it's"), ("D", "")), None),
    ("environment", "A=b=c", (("A", "b=c"),), "A=b=c"),
    ("environment", "A=$(id)", (("A", "$(id)"),), "A='$(id)'"),
    ("start_args", "", (), ""),
    ("start_args", "x" * 10_000, ("x" * 10_000,), None),
    ("start_args", "--log-format json --peer 'a b'", ("--log-format", "json", "--peer", "a b"), None),
    ("history_days", "3650", 3650, "3650"),
    ("alert_urls", "", (), ""),
    ("alert_urls", "https://h/a, tgram://t/1", ("https://h/a", "tgram://t/1"), "https://h/a,tgram://t/1"),
    ("alert_command", "/opt/notify 'a b'", ("/opt/notify", "a b"), "/opt/notify 'a b'"),
    ("dead_man_url", "https://h:8443/a?b=c", "https://h:8443/a?b=c", None),
    ("dead_man_url", "none", None, ""),
    ("alert_disk_days", "0.5", 0.5, "0.5"),
    ("prometheus_textfile", "~/out/wnm.prom", "/home/ada/out/wnm.prom", "/home/ada/out/wnm.prom"),
    ("prometheus_targets", "", None, ""),
    ("shun_policy", "recycle", "recycle", "recycle"),
    ("shun_limit", "40", 40, "40"),
    ("shun_budget", "100", 100, "100"),
    ("upgrade_failures_allowed", "3", 3, "3"),
    ("upgrade_window", "2:00-05:30", span(EVERY_DAY, 2, 5.5), "02:00-05:30"),
    ("upgrade_window", "22:00 - 6:00", span(EVERY_DAY, 22, 6), "22:00-06:00"),
    ("upgrade_window", "Sat,Sun 22:00-06:00", span((5, 6), 22, 6), "sat,sun 22:00-06:00"),
    ("upgrade_window", "fri-mon 00:00-24:00", span((0, 4, 5, 6), 0, 24), "mon,fri,sat,sun 00:00-24:00"),
    ("upgrade_window", "mon-sun 01:00-01:00", span(EVERY_DAY, 1, 1), "01:00-01:00"),
    ("upgrade_window", "wed 23:59-00:00", span((2,), 23 + 59 / 60, 0), "wed 23:59-00:00"),
    ("upgrade_window", "", None, ""),
    ("upgrade_spread", "12", timedelta(hours=12), "12"),
    ("upgrade_spread", "90m", timedelta(minutes=90), "1.5"),
    ("upgrade_spread", "14d", timedelta(days=14), "336"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "value", "canonical"), ACCEPTED)
def test_accepted(name: str, text: str, value: object, canonical: str | None) -> None:
    assert read(name, text, USER) == value
    written = render(name, value)
    assert canonical is None or written == canonical
    assert read(name, written, USER) == value
    assert render(name, read(name, written, USER)) == written


REFUSED: list[tuple[str, str, str]] = [
    ("rewards_address", "", "empty"),
    ("rewards_address", "e", "not an address"),
    ("rewards_address", "--rewards-address 0x12", "not an address"),
    ("rewards_address", LOWER[:-1], "not an address"),
    ("rewards_address", LOWER + "0", "not an address"),
    ("rewards_address", "0X" + LOWER[2:], "not an address"),
    ("rewards_address", LOWER[:-1] + "g", "not an address"),
    ("rewards_address", f"{LOWER}:0", "weight"),
    ("rewards_address", f"{LOWER}:-1", "weight"),
    ("rewards_address", f"{LOWER}:1.5", "weight"),
    ("rewards_address", f"{LOWER}:", "weight"),
    ("rewards_address", f"{LOWER}:1:2", "weight"),
    ("rewards_address", f"{LOWER},", "not an address"),
    ("rewards_address", ",".join(["faucet"] * 101), "more than 100"),
    ("donate_address", "donate", "not an address"),
    ("donate_address", f"{LOWER}:1", "not an address"),
    ("node_cap", "abc", "whole number"),
    ("node_cap", "-5", "bounds"),
    ("node_cap", "10000", "bounds"),
    ("node_cap", "5.0", "whole number"),
    ("node_cap", "1_0", "whole number"),
    ("node_cap", "٣", "whole number"),
    ("node_cap", "nan", "whole number"),
    ("node_cap", "9" * 5000, "whole number"),
    ("node_cap", " ", "empty"),
    ("cpu_remove", "nan", "number"),
    ("cpu_remove", "inf", "number"),
    ("cpu_remove", "1e999", "finite"),
    ("cpu_remove", "100.1", "bounds"),
    ("cpu_remove", "-1", "bounds"),
    ("cpu_remove", "0x10", "number"),
    ("desired_load_average", "0", "bounds"),
    ("netio_read_remove", "-1", "bounds"),
    ("netio_read_remove", "0.5", "whole number of bytes"),
    ("netio_read_remove", "1e999", "finite"),
    ("netio_read_remove", "10 apples", "size"),
    ("max_concurrent_operations", "0", "bounds"),
    ("max_concurrent_upgrades", "1001", "bounds"),
    ("delay_start", "-1", "bounds"),
    ("delay_start", "1e300", "bounds"),
    ("delay_start", "5 parsecs", "not a time"),
    ("delay_start", "inf", "not a time"),
    ("poll_timeout", "0", "bounds"),
    ("cycle_timeout", "0.5", "bounds"),
    ("port_start", "99", "bounds"),
    ("port_start", "0", "bounds"),
    ("port_start", "55500", "thousands"),
    ("port_start", "66000", "bounds"),
    ("process_manager", "docker", "choices"),
    ("firewall", "", "empty"),
    ("node_kind", "antnode --version", "choices"),
    ("node_user", "root", "right form"),
    ("node_user", "-x", "right form"),
    ("node_user", "ant;id", "right form"),
    ("no_upnp", "maybe", "neither"),
    ("no_upnp", "", "empty"),
    ("host", "a b", "right form"),
    ("host", "-h", "right form"),
    ("host", "http://x/", "right form"),
    ("node_version", "latest", "right form"),
    ("node_version", "0.4", "right form"),
    ("node_version", "0.4.1;id", "right form"),
    ("antnode_path", "antnode", "not absolute"),
    ("antnode_path", "./antnode", "not absolute"),
    ("antnode_path", "$REL/antnode", "not absolute"),
    ("antnode_path", "~bob/antnode", "another user"),
    ("antnode_path", "$NOPE/antnode", "NOPE is not set"),
    ("antnode_path", "$EMPTY/antnode", "EMPTY is not set"),
    ("antnode_path", "$ODD/antnode", "characters"),
    ("antnode_path", "/mnt/$(id)", "characters"),
    ("node_storage", "", "empty"),
    ("node_storage", "/", "as a whole"),
    ("node_storage", "/mnt/..", "as a whole"),
    ("node_storage", "/mnt/a,,/mnt/b", "empty path"),
    ("node_storage", "/mnt/a,/mnt/a/", "twice"),
    ("node_storage", "/mnt/a,/mnt/a/b", "holds another"),
    ("environment", "A", "NAME=value"),
    ("environment", "1A=x", "NAME=value"),
    ("environment", "A=1 A=2", "twice"),
    ("environment", "A='1", "not closed"),
    ("environment", "A=1\nB=2", "control"),
    ("environment", 'A="x\ny"', "control"),
    ("environment", "A=\x00", "control"),
    ("environment", "A=\x1b[31m", "control"),
    ("environment", "A=\u2028", "control"),
    ("environment", "A=\udcff", "control"),
    ("start_args", "--x\nExecStartPre=/bin/id", "control"),
    ("start_args", "--x '", "not closed"),
    ("start_args", "x" * 10_001, "longer"),
    ("history_days", "0", "bounds"),
    ("alert_urls", "https://h/a, nowhere", "number 1"),
    ("alert_urls", "https:///a", "name a host"),
    ("alert_command", "'/opt/notify", "quote"),
    ("dead_man_url", "tgram://t/1", "https://"),
    ("alert_disk_days", "-1", "bounds"),
    ("prometheus_textfile", "wnm.prom", "not absolute"),
    ("shun_policy", "remove", "choices"),
    ("shun_limit", "0", "bounds"),
    ("shun_budget", "101", "bounds"),
    ("upgrade_failures_allowed", "0", "bounds"),
    ("upgrade_window", "02:00", "form"),
    ("upgrade_window", "02:00-05:30 mon", "form"),
    ("upgrade_window", "2-5", "form"),
    ("upgrade_window", "24:00-05:00", "23:59"),
    ("upgrade_window", "02:60-05:00", "no time of day"),
    ("upgrade_window", "02:00-24:01", "no time of day"),
    ("upgrade_window", "noday 02:00-05:00", "no weekday"),
    ("upgrade_window", "mon, 02:00-05:00", "no weekday"),
    ("upgrade_window", "mon-fri-sun 02:00-05:00", "no weekday"),
    ("upgrade_spread", "15d", "bounds"),
]


@pytest.mark.parametrize(("name", "text", "reason"), REFUSED)
def test_refused(name: str, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(name, text, USER)


def test_every_setting_is_in_both_tables() -> None:
    tried = {name for name, *_ in ACCEPTED}
    alike = {SPECS[name].form.accepts for name in tried}
    assert {spec.form.accepts for spec in SPECS.values()} <= alike


printable = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029"), max_size=30
)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)


@given(st.lists(st.tuples(names, printable), max_size=5, unique_by=lambda pair: pair[0]))
def test_any_environment_survives(pairs: list[tuple[str, str]]) -> None:
    assert read("environment", render("environment", tuple(pairs)), USER) == tuple(pairs)


@given(st.lists(printable, max_size=5))
def test_any_arguments_survive(words: list[str]) -> None:
    assert read("start_args", render("start_args", tuple(words)), USER) == tuple(words)


@given(st.sampled_from(["delay_start", "action_delay", "poll_timeout"]), st.data())
def test_any_duration_survives(name: str, data: st.DataObject) -> None:
    value = data.draw(st.timedeltas(timedelta(milliseconds=50), timedelta(minutes=1)))
    assert read(name, render(name, value), USER) == value


@given(days=st.sets(st.integers(0, 6), min_size=1), start=st.integers(0, 1439), end=st.integers(0, 1440))
def test_any_window_survives(days: set[int], start: int, end: int) -> None:
    value = span(tuple(sorted(days)), start / 60, end / 60)
    assert read("upgrade_window", render("upgrade_window", value), USER) == value


@given(st.floats(0, 100))
def test_any_percentage_survives(value: float) -> None:
    assert read("cpu_remove", render("cpu_remove", value), USER) == value


@given(st.sampled_from(sorted(SPECS)), st.text(max_size=40))
def test_no_text_does_worse_than_a_value_error(name: str, text: str) -> None:
    try:
        value = read(name, text, USER)
    except ValueError:
        return
    written = render(name, value)
    assert read(name, written, USER) == value
    assert render(name, read(name, written, USER)) == written
