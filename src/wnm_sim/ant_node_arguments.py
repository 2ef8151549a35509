"""The command line of ant-node: its flags, and the variables that stand for them."""

from collections.abc import Collection, Mapping, Sequence

from wnm_sim.arguments import (
    Arguments,
    Check,
    UsageError,
    address_and_port,
    any_count,
    any_text,
    hex_address,
    one_of,
    port_number,
    read_flags,
)

LOG_FLAGS = ("--enable-logging", "--log-level", "--log-format", "--log-dir", "--log-max-files")
_WITH_VALUE: dict[str, Check] = {
    "--root-dir": any_text,
    "--port": port_number,
    "--bootstrap": address_and_port,
    "--upgrade-channel": one_of("stable", "beta"),
    "--cache-capacity": any_count,
    "--rewards-address": hex_address,
    "--evm-network": one_of("arbitrum-one", "arbitrum-sepolia"),
    "--evm-rpc-url": any_text,
    "--evm-payment-token": any_text,
    "--evm-payment-vault": any_text,
    "--metrics-port": port_number,
    "--log-level": one_of("error", "warn", "info", "debug", "trace"),
    "--log-format": one_of("text", "json"),
    "--log-dir": any_text,
    "--log-max-files": any_count,
    "--network-mode": one_of("production", "testnet", "development"),
    "--config": any_text,
}
_SWITCHES = ("--ipv4-only", "--enable-logging", "--stop-on-upgrade", "--version", "--help")
_SHORT = {"-p": "--port", "-b": "--bootstrap", "-c": "--config", "-V": "--version", "-h": "--help"}
_WITHOUT_VARIABLE = ("--config", "--stop-on-upgrade", "--version", "--help")


def parse(words: Sequence[str], environ: Mapping[str, str], refused: Collection[str] = ()) -> Arguments:
    """Check a command line (without the program name) and the variables that stand for flags.

    `refused` are flags that this node does not know, nor their variables. Raises UsageError for an unknown or
    repeated flag, a missing or impossible value, a missing rewards address, and any word that is no flag.
    """
    long_words = [_long(word) for word in words]
    given, rest = read_flags(long_words, _WITH_VALUE, _SWITCHES, refused, repeatable=("--bootstrap",))
    if rest:
        raise UsageError(f"unexpected argument '{rest[0]}' found")
    for flag in (*_WITH_VALUE, *_SWITCHES):
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


def usage() -> str:
    """The answer to `--help`."""
    flags = [f"  {flag} <VALUE>" for flag in _WITH_VALUE] + [f"  {flag}" for flag in _SWITCHES]
    return "\n".join(["A simulated node. Usage: ant-node [OPTIONS]", "", *flags])


def _long(word: str) -> str:
    """A short flag in its long form; its value may be attached to it."""
    flag = _SHORT.get(word[:2])
    if flag is None:
        return word
    value = word[2:].removeprefix("=")
    return f"{flag}={value}" if value else flag


def _take_variable(flag: str, given: dict[str, str], environ: Mapping[str, str]) -> None:
    name = "RUST_LOG" if flag == "--log-level" else "ANT_" + flag[2:].replace("-", "_").upper()
    value = environ.get(name)
    if value is None:
        return
    if flag not in _SWITCHES:
        if not _WITH_VALUE[flag](value):
            raise UsageError(f"invalid value '{value}' for '{flag}'")
        given[flag] = value
    elif value == "true":
        given[flag] = ""
    elif value != "false":
        raise UsageError(f"invalid value '{value}' for '{flag}'")
