"""The command line of a simulated ant-node accepts what the real one does, and nothing else."""

import pytest
from tests.sim.running import WALLET

from wnm_sim.command_line import LOG_FLAGS, UsageError
from wnm_sim.command_line import parse_ant_node as parse

MINIMUM = ("--rewards-address", WALLET)


def test_every_flag_of_the_real_program_is_accepted() -> None:
    asked = parse(
        [
            *("--root-dir", "/data/node 1", "-p", "55001", "--ipv4-only", *MINIMUM, "--stop-on-upgrade"),
            *("--bootstrap", "1.2.3.4:12000", "-b", "[::1]:5", "--upgrade-channel", "beta"),
            *("--cache-capacity", "1", "--evm-network=arbitrum-sepolia", "--metrics-port", "9100"),
            *("--evm-rpc-url", "u", "--evm-payment-token", "t", "--evm-payment-vault", "v"),
            *("--enable-logging", "--log-level", "debug", "--log-format", "json", "--log-dir", "/logs"),
            *("--log-max-files", "3", "--network-mode", "testnet", "-c", "/file"),
        ],
        {},
    )
    assert (asked.root_dir, asked.port, asked.metrics_port) == ("/data/node 1", 55001, None)
    assert (asked.log_output_dest, asked.log_format) == ("/logs", "json")
    assert (asked.stop_on_upgrade, asked.evm_network) == (True, "arbitrum-sepolia")


def test_defaults_and_no_log() -> None:
    asked = parse(MINIMUM, {})
    assert (asked.root_dir, asked.port, asked.evm_network) == ("", 0, "arbitrum-one")
    assert asked.log_output_dest == ""
    assert not asked.stop_on_upgrade
    assert parse([*MINIMUM, "--log-dir", "/logs"], {}).log_output_dest == ""
    assert parse([*MINIMUM, "--enable-logging"], {}).log_output_dest == "stdout"


def test_variables_stand_for_flags_and_flags_win() -> None:
    environ = {
        "ANT_ENABLE_LOGGING": "true",
        "ANT_LOG_DIR": "/logs",
        "ANT_PORT": "5",
        "ANT_REWARDS_ADDRESS": WALLET,
    }
    asked = parse(["--port", "6"], environ)
    assert (asked.log_output_dest, asked.port) == ("/logs", 6)
    assert parse((), environ | {"ANT_ENABLE_LOGGING": "false"}).log_output_dest == ""


def test_a_build_without_logging_refuses_the_flags_and_does_not_see_the_variables() -> None:
    environ = {"ANT_ENABLE_LOGGING": "true", "ANT_LOG_DIR": "/logs"}
    assert parse(MINIMUM, environ, LOG_FLAGS).log_output_dest == ""
    with pytest.raises(UsageError, match="unexpected argument '--enable-logging' found"):
        parse([*MINIMUM, "--enable-logging"], {}, LOG_FLAGS)


@pytest.mark.parametrize(
    ("words", "environ", "complaint"),
    [
        ([], {}, "Rewards address is not configured"),
        (["--rewards-address", "0x12"], {}, "invalid value '0x12' for '--rewards-address'"),
        ([*MINIMUM, "--metrics-server-port", "1"], {}, "unexpected argument '--metrics-server-port' found"),
        ([*MINIMUM, "--no-upnp"], {}, "unexpected argument '--no-upnp' found"),
        ([*MINIMUM, "--log-output-dest", "/x"], {}, "unexpected argument '--log-output-dest' found"),
        ([*MINIMUM, "--peer", "/ip4/1"], {}, "unexpected argument '--peer' found"),
        ([*MINIMUM, "evm-arbitrum-one"], {}, "unexpected argument 'evm-arbitrum-one' found"),
        ([*MINIMUM, "--bootstrap", "1.2.3.4"], {}, "invalid value '1.2.3.4' for '--bootstrap'"),
        ([*MINIMUM, "--evm-network", "evm-arbitrum-one"], {}, "invalid value"),
        ([*MINIMUM, "-p1", "--port", "2"], {}, "'--port' cannot be used multiple times"),
        ([*MINIMUM], {"ANT_ENABLE_LOGGING": "1"}, "invalid value '1' for '--enable-logging'"),
        ([*MINIMUM], {"ANT_PORT": "x"}, "invalid value 'x' for '--port'"),
    ],
)
def test_a_wrong_word_is_named(words: list[str], environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(words, environ)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("word", "flag"), [("-V", "--version"), ("--version", "--version"), ("-h", "--help")]
)
def test_asking_for_a_version_needs_no_wallet(word: str, flag: str) -> None:
    assert parse([word], {}).show == flag
