"""Settings are remembered, changes are logged, and what other software exports means nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.cli.operator import Operator


def config(operator: Operator) -> Mapping[str, Mapping[str, Any]]:
    """Every setting with value, text and origin."""
    settings: Mapping[str, Mapping[str, Any]] = operator.report("machine-config")["settings"]
    return settings


def test_a_setting_that_is_given_once_is_remembered_and_logged(operator: Operator) -> None:
    operator.init(node_cap=0)
    first = operator.good_cycle("--delay-start", "7")
    assert "delay_start: 0 -> 7 (command line)" in first.err
    assert (config(operator)["delay_start"]["value"], config(operator)["delay_start"]["origin"]) == (
        7,
        "database",
    )
    again = operator.good_cycle("--delay_start=7")
    assert len(again.lines) == 1
    assert len(operator.good_cycle().lines) == 1


def test_a_setting_for_this_run_is_not_remembered(operator: Operator) -> None:
    operator.init(node_cap=0)
    assert len(operator.good_cycle("--interval", "5").lines) == 1
    assert config(operator)["this_action_delay"]["value"] is None


def test_a_flag_can_be_turned_off_again(operator: Operator) -> None:
    operator.init(node_cap=0, no_upnp="true")
    operator.good_cycle("--no_upnp", "false")
    assert config(operator)["no_upnp"]["value"] is False
    operator.good_cycle()
    assert config(operator)["no_upnp"]["value"] is False
    operator.good_cycle("--no_upnp")
    assert config(operator)["no_upnp"]["value"] is True


def test_a_text_can_be_cleared_again(operator: Operator) -> None:
    operator.init(node_cap=0, environment="ONE=1")
    operator.good_cycle("--environment=")
    assert config(operator)["environment"]["text"] == ""


def test_the_same_value_of_a_fixed_setting_is_fine(operator: Operator) -> None:
    operator.init(node_cap=0)
    operator.good_cycle(f"--port_start={operator.port_start}000", "--process_manager=setsid+user")


def test_the_layers_in_their_order(operator: Operator) -> None:
    operator.init(node_cap=0)
    own = operator.home / ".local/share/wnm/config"
    own.parent.mkdir(parents=True)
    own.write_text("history_days = 11\nmax_concurrent_starts = 11\nstop_grace = 11\npoll_timeout = 1.1\n")
    named = operator.home / "named.config"
    named.write_text("history_days = 12\nmax_concurrent_starts = 12\nstop_grace = 12\n")
    dotenv = operator.home / ".env"
    dotenv.write_text("HISTORY_DAYS=13\nMAX_CONCURRENT_STARTS=13\n")
    env = {"WNM_HISTORY_DAYS": "14"}
    operator.run("-c", named, env=env)
    found = {
        name: config(operator)[name]["value"]
        for name in ("history_days", "max_concurrent_starts", "stop_grace", "poll_timeout")
    }
    # The own config file is there in every run, so it wins over the database again where nobody else says more.
    shown = operator.run("--report", "machine-config", "--json", "-c", str(named), env=env).out
    assert '"value": 14' in shown
    assert str(named) in shown
    assert found["history_days"] == 13
    assert found["stop_grace"] == 11
    for path in (own, named, dotenv):
        path.unlink()
    kept = {name: config(operator)[name]["value"] for name in found}
    assert kept == {"history_days": 14, "max_concurrent_starts": 13, "stop_grace": 12, "poll_timeout": 1.1}
    operator.good_cycle("--history_days=15")
    assert config(operator)["history_days"]["value"] == 15


@pytest.mark.parametrize(
    "env",
    [
        {
            "HOST": "example.org",
            "USER": "somebody",
            "ENVIRONMENT": "production",
            "COUNT": "3",
            "INTERVAL": "5",
            "REPORT": "node-status",
            "DRY_RUN": "true",
            "FORCE_ACTION": "remove",
            "SERVICE_NAME": "antnode0001",
            "CONFIRM": "true",
            "VERSION": "9.9.9",
            "NODE_VERSION": "20.1.0",
            "INIT": "true",
            "DBPATH": "/nowhere/colony.db",
            "LOGLEVEL": "DEBUG",
        }
    ],
)
def test_what_other_software_exports_does_nothing(operator: Operator, env: dict[str, str]) -> None:
    operator.bring_up(1)
    pids, before = operator.pids(), config(operator)
    told = operator.cycle(env=env)
    assert (told.code, len(told.lines), told.err.count("idle: 1 of 1 nodes running")) == (0, 1, 1), told
    assert config(operator) == before
    assert operator.pids() == pids


def test_what_acts_is_never_taken_from_the_environment(operator: Operator) -> None:
    operator.bring_up(1)
    pids = operator.pids()
    refused = operator.cycle(env={"WNM_FORCE_ACTION": "teardown", "WNM_CONFIRM": "true"})
    assert (refused.code, len(refused.lines)) == (2, 1)
    assert operator.pids() == pids


def test_the_environment_of_nodes_is_what_the_setting_says(operator: Operator) -> None:
    operator.bring_up(1, environment="ONE='1 and more' TWO=$HOME", start_args="--relay")
    (pid,) = operator.pids()
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert b"ONE=1 and more" in variables
    assert b"TWO=$HOME" in variables
    assert not [each for each in variables if each.startswith((b"WNM_", b"PYTHON"))]
    assert b"--relay" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def test_a_report_as_config_can_be_given_back(operator: Operator) -> None:
    operator.init(node_cap=0, environment="ONE='a b' TWO=#2", hd_remove=97, hd_less_than=96)
    written = operator.home / "written.config"
    written.write_text(operator.run("--report", "machine-config", "--report_format", "config").out)
    before = {name: each["value"] for name, each in config(operator).items()}
    operator.good_cycle("-c", written)
    assert {name: each["value"] for name, each in config(operator).items()} == before
    assert len(operator.good_cycle("-c", written).lines) == 1
