"""Reads the command lines of antnode and ant-node, as strictly as these programs do."""

import re
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

type Check = Callable[[str], bool]


class UsageError(Exception):
    """The command line is wrong; the text says where."""


class Arguments(NamedTuple):
    """A checked command line.

    `root_dir` is empty when not given; `metrics_port` is None when there is no metrics page,
    and 0 (like `port`) for any free port; `log_output_dest` is empty when nothing is logged;
    `show` is the version flag given, or `--help`.
    """

    show: str
    root_dir: str
    ip: str
    port: int
    metrics_port: int | None
    rewards_address: str
    log_output_dest: str
    log_format: str
    stop_on_upgrade: bool
    evm_network: str


def _whole_number(most: int) -> Check:
    return lambda text: text.isascii() and text.isdigit() and int(text) <= most


def _one_of(*allowed: str) -> Check:
    return lambda text: text in allowed


def _ip_address(text: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except OSError:
            continue
        return True
    return False


def _address_and_port(text: str) -> bool:
    address, _, port = text.rpartition(":")
    return _ip_address(address.strip("[]")) and _port(port)


def _wallet(text: str) -> bool:
    return re.fullmatch("0x[0-9a-fA-F]{40}", text) is not None


_any_text: Check = bool
_port = _whole_number(65535)
_any_count = _whole_number(2**63 - 1)

_ANTNODE_FLAGS: dict[str, Check] = {
    **dict.fromkeys(("--root-dir", "--log-output-dest", "--bootstrap-cache-dir"), _any_text),
    **dict.fromkeys(("--peer", "--network-contacts-url"), _any_text),
    **dict.fromkeys(("--max-log-files", "--max-archived-log-files"), _any_count),
    **dict.fromkeys(("--port", "--metrics-server-port"), _port),
    "--ip": _ip_address,
    "--rewards-address": _wallet,
    "--log-format": _one_of("default", "json"),
    "--network-id": _whole_number(255),
    "--rpc": _address_and_port,
}
_ANTNODE_VERSIONS = ("--version", "--crate-version", "--package-version", "--protocol-version")
_ANTNODE_SWITCHES = (
    *("--enable-metrics-server", "--no-upnp", "--relay", "--alpha", "--first", "--local"),
    *("--ignore-cache", "--stop-on-upgrade", "--write-older-cache-files"),
    *(*_ANTNODE_VERSIONS, "--help"),
)
_EVM_NETWORKS: dict[str, Mapping[str, Check]] = {
    "evm-arbitrum-one": {},
    "evm-arbitrum-sepolia-test": {},
    "evm-custom": {
        "--rpc-url": _any_text,
        **dict.fromkeys(("--payment-token-address", "--data-payments-address"), _wallet),
        "--merkle-payments-address": _wallet,
    },
}

LOG_FLAGS = ("--enable-logging", "--log-level", "--log-format", "--log-dir", "--log-max-files")
"""The flags of ant-node that a build without logging does not know."""
_ANT_NODE_FLAGS: dict[str, Check] = {
    **dict.fromkeys(("--root-dir", "--log-dir", "--config"), _any_text),
    **dict.fromkeys(("--evm-rpc-url", "--evm-payment-token", "--evm-payment-vault"), _any_text),
    **dict.fromkeys(("--cache-capacity", "--log-max-files"), _any_count),
    **dict.fromkeys(("--port", "--metrics-port"), _port),
    "--bootstrap": _address_and_port,
    "--rewards-address": _wallet,
    "--upgrade-channel": _one_of("stable", "beta"),
    "--evm-network": _one_of("arbitrum-one", "arbitrum-sepolia"),
    "--log-level": _one_of("error", "warn", "info", "debug", "trace"),
    "--log-format": _one_of("text", "json"),
    "--network-mode": _one_of("production", "testnet", "development"),
}
_ANT_NODE_SWITCHES = ("--ipv4-only", "--enable-logging", "--stop-on-upgrade", "--version", "--help")
_ANT_NODE_SHORT = {"-p": "--port", "-b": "--bootstrap", "-c": "--config", "-V": "--version", "-h": "--help"}
_WITHOUT_VARIABLE = ("--config", "--stop-on-upgrade", "--version", "--help")


def _usage(form: str, with_value: Collection[str], switches: Collection[str]) -> str:
    flags = [f"  {flag} <VALUE>" for flag in with_value] + [f"  {flag}" for flag in switches]
    return "\n".join([f"A simulated node. Usage: {form}", "", *flags])


ANTNODE_USAGE = "\n".join(
    [_usage("antnode [OPTIONS] [NETWORK]", _ANTNODE_FLAGS, _ANTNODE_SWITCHES), "", *_EVM_NETWORKS]
)
ANT_NODE_USAGE = _usage("ant-node [OPTIONS]", _ANT_NODE_FLAGS, _ANT_NODE_SWITCHES)
"""The answers to `--help`."""


def parse_antnode(words: Sequence[str], refused: Collection[str] = ()) -> Arguments:
    """Check a command line of antnode (without the program name).

    `refused` are flags that this node does not know. Raises UsageError for an unknown or
    repeated flag, a missing or impossible value, a missing rewards address, and anything but
    its own options after the payment network.
    """
    repeatable = ("--peer", "--network-contacts-url")
    given, rest = _read_flags(words, _ANTNODE_FLAGS, _ANTNODE_SWITCHES, refused, repeatable)
    network = rest[0] if rest else ""
    if rest:
        _check_payment_network(network, rest[1:])
    show = next((flag for flag in ("--help", *_ANTNODE_VERSIONS) if flag in given), "")
    if not show and "--rewards-address" not in given:
        raise UsageError("the required argument '--rewards-address <ADDRESS>' was not provided")
    wants_metrics = "--enable-metrics-server" in given or "--metrics-server-port" in given
    return Arguments(
        show=show,
        root_dir=given.get("--root-dir", ""),
        ip=given.get("--ip", "0.0.0.0"),
        port=int(given.get("--port", "0")),
        metrics_port=int(given.get("--metrics-server-port", "0")) if wants_metrics else None,
        rewards_address=given.get("--rewards-address", ""),
        log_output_dest=given.get("--log-output-dest", "data-dir"),
        log_format=given.get("--log-format", "default"),
        stop_on_upgrade="--stop-on-upgrade" in given,
        evm_network=network,
    )


def parse_ant_node(
    words: Sequence[str], environ: Mapping[str, str], refused: Collection[str] = ()
) -> Arguments:
    """Check a command line of ant-node (without the program name) and the variables that stand for flags.

    `refused` are flags that this node does not know, nor their variables. Raises UsageError for an unknown or
    repeated flag, a missing or impossible value, a missing rewards address, and any word that is no flag.
    """
    long_words = [_long(word) for word in words]
    given, rest = _read_flags(long_words, _ANT_NODE_FLAGS, _ANT_NODE_SWITCHES, refused, ("--bootstrap",))
    if rest:
        raise UsageError(f"unexpected argument '{rest[0]}' found")
    for flag in (*_ANT_NODE_FLAGS, *_ANT_NODE_SWITCHES):
        if flag not in given and flag not in refused and flag not in _WITHOUT_VARIABLE:
            _take_variable(flag, given, environ)
    show = next((flag for flag in ("--help", "--version") if flag in given), "")
    if not show and "--rewards-address" not in given:
        raise UsageError("CRITICAL: Rewards address is not configured.")
    return Arguments(
        show=show,
        root_dir=given.get("--root-dir", ""),
        ip="0.0.0.0",
        port=int(given.get("--port", "0")),
        metrics_port=None,  # parsed, but nothing listens there
        rewards_address=given.get("--rewards-address", ""),
        log_output_dest=given.get("--log-dir", "stdout") if "--enable-logging" in given else "",
        log_format=given.get("--log-format", "text"),
        stop_on_upgrade="--stop-on-upgrade" in given,
        evm_network=given.get("--evm-network", "arbitrum-one"),
    )


def _check_payment_network(name: str, words: Sequence[str]) -> None:
    if name not in _EVM_NETWORKS:
        raise UsageError(f"unrecognized subcommand '{name}'")
    given, rest = _read_flags(words, _EVM_NETWORKS[name])
    if rest:
        raise UsageError(f"unexpected argument '{rest[0]}' found")
    for flag in _EVM_NETWORKS[name]:
        if flag not in given and flag != "--merkle-payments-address":
            raise UsageError(f"the required argument '{flag} <VALUE>' was not provided")


def _long(word: str) -> str:
    """A short flag in its long form; its value may be attached to it."""
    flag = _ANT_NODE_SHORT.get(word[:2])
    if flag is None:
        return word
    value = word[2:].removeprefix("=")
    return f"{flag}={value}" if value else flag


def _take_variable(flag: str, given: dict[str, str], environ: Mapping[str, str]) -> None:
    name = "RUST_LOG" if flag == "--log-level" else "ANT_" + flag[2:].replace("-", "_").upper()
    value = environ.get(name)
    if value is None:
        return
    if flag not in _ANT_NODE_SWITCHES:
        if not _ANT_NODE_FLAGS[flag](value):
            raise UsageError(f"invalid value '{value}' for '{flag}'")
        given[flag] = value
    elif value == "true":
        given[flag] = ""
    elif value != "false":
        raise UsageError(f"invalid value '{value}' for '{flag}'")


def _read_flags(
    words: Sequence[str],
    with_value: Mapping[str, Check],
    switches: Collection[str] = (),
    refused: Collection[str] = (),
    repeatable: Collection[str] = (),
) -> tuple[dict[str, str], list[str]]:
    """Values by flag (a switch has none), and the words from the first that is no flag. Raises UsageError."""
    given: dict[str, str] = {}
    waiting = list(words)
    while waiting and waiting[0].startswith("-"):
        flag, has_value, value = waiting.pop(0).partition("=")
        if flag in refused or (flag not in with_value and flag not in switches):
            raise UsageError(f"unexpected argument '{flag}' found")
        if flag in given and flag not in repeatable:
            raise UsageError(f"the argument '{flag}' cannot be used multiple times")
        if flag in switches:
            if has_value:
                raise UsageError(f"unexpected value '{value}' for '{flag}' found")
        else:
            if not has_value:
                if not waiting or waiting[0].startswith("--"):
                    raise UsageError(f"a value is required for '{flag}' but none was supplied")
                value = waiting.pop(0)
            if not with_value[flag](value):
                raise UsageError(f"invalid value '{value}' for '{flag}'")
        given[flag] = value
    return given, waiting
