"""What an operator may type wrongly, with the exit code and the words that help him."""

from typing import NamedTuple

LAUNCHER = "0x00455d78f850b0358E8cea5be24d415E01E107CF"


class Wrong(NamedTuple):
    """Words after `wnm`, the exit code that they deserve, and what the one line has to name."""

    words: tuple[str, ...]
    code: int
    named: str


def wrong(*words: str, code: int = 2, named: str) -> Wrong:
    """Exit code 2, unless said otherwise."""
    return Wrong(words, code, named)


VALUES = (
    wrong("--node_cap", "-5", named="node_cap"),
    wrong("--node_cap", "abc", named="node_cap"),
    wrong("--node_cap", "nan", named="node_cap"),
    wrong("--node_cap", "3.5", named="node_cap"),
    wrong("--node_cap", "99999999999999999999", named="node_cap"),
    wrong("--node_cap=", named="node_cap"),
    wrong("--node_cap", "٣x", named="node_cap"),
    wrong("--cpu_less_than", "nan", named="cpu_less_than"),
    wrong("--cpu_less_than", "inf", named="cpu_less_than"),
    wrong("--cpu_remove", "101", named="cpu_remove"),
    wrong("--cpu_less_than", "90", "--cpu_remove", "80", named="cpu_remove 80"),
    wrong("--hd_remove", "0", named="hd_less_than"),
    wrong("--netio_read_less_than", "9M", "--netio_read_remove", "8M", named="netio_read_remove"),
    wrong("--poll_timeout", "60", "--cycle_timeout", "30", named="cycle_timeout 30"),
    wrong("--max_concurrent_operations", "0", named="max_concurrent_operations"),
    wrong("--delay_start", "-1", named="delay_start"),
    wrong("--delay_start", "5 parsecs", named="delay_start"),
    wrong("--rewards_address", "garbage", named="rewards_address"),
    wrong("--rewards_address", LAUNCHER.replace("8E8c", "8e8c"), named="checksum"),
    wrong("--rewards_address", f"{LAUNCHER}:0", named="rewards_address"),
    wrong("--rewards_address", f"{LAUNCHER}:many,faucet:1", named="rewards_address"),
    wrong("--rewards_address", f"{LAUNCHER[:-1]}", named="rewards_address"),
    wrong("--rewards_address", "--rewards-address=0x12", named="--rewards_address"),
    wrong("--donate_address", "donate", named="donate_address"),
    wrong("--environment", "ONE=1\nExecStartPre=/bin/sh", named="environment"),
    wrong("--environment", "no equals sign", named="environment"),
    wrong("--environment", "ONE='1", named="environment"),
    wrong("--start_args", "--root-dir /etc", named="--root-dir"),
    wrong("--start_args", "--port=9", named="--port"),
    wrong("--host", "a b", named="host"),
    wrong("--no_upnp=perhaps", named="no_upnp"),
    wrong("--node_version", "latest", named="node_version"),
    wrong("--node_storage", "relative/path", named="node_storage"),
    wrong("--history_days", "0", named="history_days"),
)
FIXED = (
    wrong("--process_manager", "systemd", named="process_manager"),
    wrong("--process_manager", "docker", named="process_manager"),
    wrong("--port_start", "44", named="port_start"),
    wrong("--port_start", "99", named="port_start"),
    wrong("--metrics_port_start", "0", named="metrics_port_start"),
    wrong("--node_kind", "ant-node", named="node_kind"),
    wrong("--node_user", "root", named="node_user"),
)
WORDS = (
    wrong("--node-cpa", "3", named="--node_cap"),
    wrong("--node_cpa=3", named="--node_cap"),
    wrong("--dry-rum", named="--dry_run"),
    wrong("--dry_run=no", named="--dry_run"),
    wrong("--node_cap", named="--node_cap"),
    wrong("--node_cap", "--dry_run", named="--node_cap"),
    wrong("-x", named="-x"),
    wrong("stauts", named="status"),
    wrong("cycle", named="cycle"),
    wrong("status", "now", named="now"),
    wrong("status", "explain", named="explain"),
    wrong("explain", "0", named="explain"),
    wrong("explain", "x", named="explain"),
    wrong("explain", "77", named="77"),
    wrong("replay", named="FILE"),
    wrong("replay", "/no/such/file", named="/no/such/file"),
    wrong("--report", "node-statsu", named="node-status"),
    wrong("--report", "node-status", "--report_format", "xml", named="xml"),
    wrong("--init", "--dry_run", named="--dry_run"),
    wrong("--count", "3", named="--force_action"),
    wrong("--confirm", named="--force_action"),
    wrong("--loglevel", "LOUD", named="--loglevel"),
    wrong("--dbpath", "postgresql://example.org/wnm", named="postgresql"),
    wrong("--dbpath", "sqlite:///:memory:", named=":memory:"),
    wrong("--dbpath", "", named="--dbpath"),
)
BY_HAND = (
    wrong("--force_action", "explode", named="explode"),
    wrong("--force_action", "remove", "--service_name", "antnode0001", named="--confirm"),
    wrong("--force_action", "teardown", named="--confirm"),
    wrong("--force_action", "stop", "--service_name", "../names", named="../names"),
    wrong("--force_action", "stop", "--service_name", "antnode1; reboot", named="--service_name"),
    wrong("--force_action", "stop", "--service_name", "antnode0001", named="antnode0001"),
    wrong("--force_action", "stop", "--count", "0", named="--count"),
    wrong("--force_action", "stop", "--count", "-1", named="--count"),
    wrong("--force_action", "stop", "--count", "1", "--service_name", "antnode0001", named="--service_name"),
    wrong("--force_action", "add", "--count", "9", named="node_cap 3"),
    wrong("--force_action", "survey", "--count", "1", named="--count"),
)
