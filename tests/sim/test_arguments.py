"""The command line of the simulated node accepts what the real one does, and nothing else."""

import pytest
from tests.sim.running import WALLET

from wnm_sim.command_line import UsageError
from wnm_sim.command_line import parse_antnode as parse

MINIMUM = ("--rewards-address", WALLET)


def test_every_flag_of_the_real_program_is_accepted() -> None:
    asked = parse(
        [
            *("--root-dir", "/data/node 1", "--port", "55001", "--ip", "::1", *MINIMUM),
            *("--log-output-dest", "/logs", "--log-format", "json", "--max-log-files", "1"),
            *("--max-archived-log-files", "2", "--enable-metrics-server", "--metrics-server-port=13001"),
            *("--no-upnp", "--relay", "--network-id", "2", "--alpha", "--peer", "/ip4/1.2.3.4/udp/1,/ip4/x"),
            *("--peer", "/ip4/5.6.7.8/udp/2", "--first", "--local", "--network-contacts-url", "http://x/y"),
            *("--ignore-cache", "--bootstrap-cache-dir", "/cache", "--rpc", "127.0.0.1:12001"),
            *("--stop-on-upgrade", "--write-older-cache-files", "evm-custom", "--rpc-url", "http://e"),
            *("--payment-token-address", WALLET, "--data-payments-address", WALLET),
        ]
    )
    assert (asked.root_dir, asked.port, asked.ip, asked.metrics_port) == ("/data/node 1", 55001, "::1", 13001)
    assert (asked.log_output_dest, asked.log_format) == ("/logs", "json")
    assert asked.stop_on_upgrade
    assert asked.evm_network == "evm-custom"


def test_defaults() -> None:
    asked = parse(MINIMUM)
    assert (asked.root_dir, asked.port, asked.ip, asked.metrics_port) == ("", 0, "0.0.0.0", None)
    assert asked.log_output_dest == "data-dir"
    assert not asked.stop_on_upgrade


def test_metrics_without_a_port_take_any() -> None:
    assert parse([*MINIMUM, "--enable-metrics-server"]).metrics_port == 0


@pytest.mark.parametrize(
    "flag", ["--version", "--crate-version", "--package-version", "--protocol-version", "--help"]
)
def test_asking_for_a_version_needs_no_wallet(flag: str) -> None:
    assert parse([flag]).show == flag


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "'--rewards-address <ADDRESS>' was not provided"),
        (["--rewards-address", "0x12"], "invalid value '0x12' for '--rewards-address'"),
        (["--rewards-address", "1a" * 20], "invalid value"),
        ([*MINIMUM, "--upnp"], "unexpected argument '--upnp' found"),
        ([*MINIMUM, "--home-network"], "unexpected argument '--home-network' found"),
        ([*MINIMUM, "--evm-network", "arbitrum-one"], "unexpected argument '--evm-network' found"),
        ([*MINIMUM, "--port", "65536"], "invalid value '65536' for '--port'"),
        ([*MINIMUM, "--port", "-1"], "invalid value '-1' for '--port'"),
        ([*MINIMUM, "--port"], "a value is required for '--port'"),
        ([*MINIMUM, "--port", "--relay"], "a value is required for '--port'"),
        ([*MINIMUM, "--port", "1", "--port", "2"], "'--port' cannot be used multiple times"),
        ([*MINIMUM, "--network-id", "256"], "invalid value '256' for '--network-id'"),
        ([*MINIMUM, "--ip", "here"], "invalid value 'here' for '--ip'"),
        ([*MINIMUM, "--rpc", "12001"], "invalid value '12001' for '--rpc'"),
        ([*MINIMUM, "--log-format", "xml"], "invalid value 'xml' for '--log-format'"),
        ([*MINIMUM, "--no-upnp=true"], "unexpected value 'true' for '--no-upnp'"),
        ([*MINIMUM, "evm-arbitrum-sepolia"], "unrecognized subcommand 'evm-arbitrum-sepolia'"),
        ([*MINIMUM, "evm-arbitrum-one", "--no-upnp"], "unexpected argument '--no-upnp' found"),
        ([*MINIMUM, "evm-arbitrum-one", "evm-custom"], "unexpected argument 'evm-custom' found"),
        ([*MINIMUM, "evm-custom", "--rpc-url", "u"], "'--payment-token-address <VALUE>' was not provided"),
    ],
)
def test_a_wrong_word_is_named(words: list[str], complaint: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(words)
    assert complaint in str(refused.value)
