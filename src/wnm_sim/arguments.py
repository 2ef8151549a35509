"""The command line of the node program: its flags, their values and the payment network."""

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


def whole_number(most: int) -> Check:
    """A check for the numbers from 0 to `most`."""
    return lambda text: text.isascii() and text.isdigit() and int(text) <= most


def one_of(*allowed: str) -> Check:
    """A check for one of these words."""
    return lambda text: text in allowed


def _ip_address(text: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except OSError:
            continue
        return True
    return False


def address_and_port(text: str) -> bool:
    """Whether this is `ADDRESS:PORT`."""
    address, _, port = text.rpartition(":")
    return _ip_address(address.strip("[]")) and port_number(port)


def hex_address(text: str) -> bool:
    """Whether this is the address of a wallet."""
    return re.fullmatch("0x[0-9a-fA-F]{40}", text) is not None


any_text: Check = bool
port_number = whole_number(65535)
any_count = whole_number(2**63 - 1)

_WITH_VALUE: dict[str, Check] = {
    "--root-dir": any_text,
    "--port": port_number,
    "--ip": _ip_address,
    "--rewards-address": hex_address,
    "--log-output-dest": any_text,
    "--log-format": one_of("default", "json"),
    "--max-log-files": any_count,
    "--max-archived-log-files": any_count,
    "--metrics-server-port": port_number,
    "--network-id": whole_number(255),
    "--peer": any_text,
    "--network-contacts-url": any_text,
    "--bootstrap-cache-dir": any_text,
    "--rpc": address_and_port,
}
_VERSIONS = ("--version", "--crate-version", "--package-version", "--protocol-version")
_SWITCHES = (
    *("--enable-metrics-server", "--no-upnp", "--relay", "--alpha", "--first", "--local"),
    *("--ignore-cache", "--stop-on-upgrade", "--write-older-cache-files"),
    *(*_VERSIONS, "--help"),
)
_REPEATABLE = ("--peer", "--network-contacts-url")
_CUSTOM_NETWORK: dict[str, Check] = {
    "--rpc-url": any_text,
    "--payment-token-address": hex_address,
    "--data-payments-address": hex_address,
    "--merkle-payments-address": hex_address,
}
_EVM_NETWORKS: dict[str, Mapping[str, Check]] = {
    "evm-arbitrum-one": {},
    "evm-arbitrum-sepolia-test": {},
    "evm-custom": _CUSTOM_NETWORK,
}


def parse(words: Sequence[str], refused: Collection[str] = ()) -> Arguments:
    """Check a command line (without the program name).

    `refused` are flags that this node does not know. Raises UsageError for an unknown or
    repeated flag, a missing or impossible value, a missing rewards address, and anything but
    its own options after the payment network.
    """
    given, rest = read_flags(words, _WITH_VALUE, _SWITCHES, refused)
    network = rest[0] if rest else ""
    if rest:
        _payment_network(network, rest[1:])
    show = next((flag for flag in ("--help", *_VERSIONS) if flag in given), "")
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


def usage() -> str:
    """The answer to `--help`."""
    flags = [f"  {flag} <VALUE>" for flag in _WITH_VALUE] + [f"  {flag}" for flag in _SWITCHES]
    networks = [f"  {name}" for name in _EVM_NETWORKS]
    return "\n".join(["A simulated node. Usage: antnode [OPTIONS] [NETWORK]", "", *flags, "", *networks])


def _payment_network(name: str, words: Sequence[str]) -> None:
    if name not in _EVM_NETWORKS:
        raise UsageError(f"unrecognized subcommand '{name}'")
    given, rest = read_flags(words, _EVM_NETWORKS[name], ())
    if rest:
        raise UsageError(f"unexpected argument '{rest[0]}' found")
    for flag in _EVM_NETWORKS[name]:
        if flag not in given and flag != "--merkle-payments-address":
            raise UsageError(f"the required argument '{flag} <VALUE>' was not provided")


def read_flags(
    words: Sequence[str],
    with_value: Mapping[str, Check],
    switches: Collection[str],
    refused: Collection[str] = (),
    repeatable: Collection[str] = _REPEATABLE,
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
