"""What a command line asks for, and every way in which it can be wrong."""

import pytest

from wnm.app.invocation import FORCED_ACTIONS, REPORTS, Command, Invocation
from wnm.app.run_options import RUN_OPTIONS
from wnm.cli.help import help_text
from wnm.cli.parse import parse
from wnm.core.errors import BadInput
from wnm.core.settings import NAMES, SPECS


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ("--node_cap 3", {"node_cap": "3"}),
        ("--node-cap 3", {"node_cap": "3"}),
        ("--node_cap=3", {"node_cap": "3"}),
        ("--node-cap=3", {"node_cap": "3"}),
        ("--node_cap=", {"node_cap": ""}),
        ("--node_cap -5", {"node_cap": "-5"}),
        ("--node_cap 3 --node-cap 4", {"node_cap": "4"}),
        ("--interval 100", {"this_action_delay": "100"}),
        ("--no_upnp", {"no_upnp": "true"}),
        ("--no-upnp false", {"no_upnp": "false"}),
        ("--no_upnp=off --node_cap 1", {"no_upnp": "off", "node_cap": "1"}),
        ("--no_upnp --node_cap 1", {"no_upnp": "true", "node_cap": "1"}),
        ("--start_args=--relay", {"start_args": "--relay"}),
        ("--environment=A=b=c", {"environment": "A=b=c"}),
    ],
)
def test_settings_are_taken_as_they_are(line: str, given: dict[str, str]) -> None:
    assert parse(line.split()) == Invocation(given=given)


def test_several_words_in_one_are_a_value_even_with_dashes() -> None:
    assert parse(["--start_args", "--relay --alpha"]).given == {"start_args": "--relay --alpha"}
    assert parse(["--environment", ""]).given == {"environment": ""}
    assert parse(["--environment=A=1 B=2"]).given == {"environment": "A=1 B=2"}


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("", Invocation()),
        ("--dry_run", Invocation(dry_run=True)),
        ("--dry-run", Invocation(dry_run=True)),
        ("--init --node_cap 2", Invocation(command=Command.INIT, given={"node_cap": "2"})),
        ("--report node-status", Invocation(command=Command.REPORT, report="node-status")),
        (
            "--report machine-config --report_format ENV",
            Invocation(command=Command.REPORT, report="machine-config", report_format="env"),
        ),
        (
            "--report node-status --json --service-name antnode0001.service",
            Invocation(
                command=Command.REPORT,
                report="node-status",
                report_format="json",
                service_names=("antnode0001",),
            ),
        ),
        (
            "--force_action stop --service_name antnode0001,antnode0003,antnode0001 --dry_run",
            Invocation(
                command=Command.FORCE,
                force_action="stop",
                service_names=("antnode0001", "antnode0003"),
                dry_run=True,
            ),
        ),
        (
            "--force_action remove --count 2",
            Invocation(command=Command.FORCE, force_action="remove", count=2),
        ),
        (
            "--force_action teardown --confirm",
            Invocation(command=Command.FORCE, force_action="teardown", confirm=True),
        ),
        (
            "--force_action teardown --dry_run",
            Invocation(command=Command.FORCE, force_action="teardown", dry_run=True),
        ),
        ("--remove_lockfile", Invocation(command=Command.REMOVE_LOCKFILE)),
        ("--version", Invocation(command=Command.VERSION)),
        ("--help", Invocation(command=Command.HELP)),
        ("-h", Invocation(command=Command.HELP)),
        ("--init --help --nonsense", Invocation(command=Command.HELP)),
        ("status", Invocation(command=Command.STATUS)),
        ("status --json", Invocation(command=Command.STATUS, report_format="json")),
        ("--no_upnp status", Invocation(command=Command.STATUS, given={"no_upnp": "true"})),
        ("--dbpath /tmp/x.db status", Invocation(command=Command.STATUS, dbpath="/tmp/x.db")),
        ("explain", Invocation(command=Command.EXPLAIN)),
        ("explain 12", Invocation(command=Command.EXPLAIN, cycle=12)),
        ("explain --json 12", Invocation(command=Command.EXPLAIN, cycle=12, report_format="json")),
        ("replay some.json", Invocation(command=Command.REPLAY, file="some.json")),
        ("simulate --cycles 9 --seed 0", Invocation(command=Command.SIMULATE, cycles=9, seed=0)),
        ("doctor", Invocation(command=Command.DOCTOR)),
        ("-c my.conf --loglevel debug", Invocation(config="my.conf", loglevel="DEBUG")),
        ("--log_format json", Invocation(log_format="json")),
    ],
)
def test_understood(line: str, asked: Invocation) -> None:
    assert parse(line.split()) == asked


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--node_capp 3", "unknown option '--node_capp': did you mean --node_cap?"),
        ("--dryrun", "unknown option '--dryrun': did you mean --dry_run?"),
        ("--no_upnpp=1", "unknown option '--no_upnpp': did you mean --no_upnp?"),
        ("--zzzzzzz", "unknown option '--zzzzzzz': see wnm --help"),
        ("-v", "unknown option '-v'"),
        ("-node_cap 3", "unknown option '-node_cap': did you mean --node_cap?"),
        ("-", "no command is called '-'"),
        ("--", "unknown option '--'"),
        ("--node_ca 3", "unknown option '--node_ca'"),
        ("--migrate_anm", "--migrate_anm only goes with --init"),
        ("--init --migrate_anm --import", "cannot be combined"),
        ("--init --companions=replace", "--companions only goes with --migrate_anm"),
        ("--init --dry_run", "cannot be a dry run"),
        ("--accept_defaults", "--accept_defaults only goes with --init"),
        ("--migrate_any", "--migrate_anm"),
        ("--node_cap", "--node_cap needs a value"),
        ("--node_cap --dry_run", "--node_cap needs a value"),
        ("--start_args --dry-run", "write --start_args=VALUE"),
        ("--dry_run=false", "--dry_run takes no value"),
        ("--init --init=1", "--init takes no value"),
        ("stauts", "no command is called 'stauts': did you mean status?"),
        ("start", "no command is called 'start': did you mean --force_action start?"),
        ("init", "no command is called 'init': did you mean --init?"),
        ("--status", "unknown option '--status': did you mean status?"),
        ("--dry_run true", "no command is called 'true'"),
        ("status node", "status does not take 'node'"),
        ("explain 1 2", "explain does not take '2'"),
        (
            "explain first",
            "the CYCLE of explain cannot be 'first': give the number of a cycle, or the name of a node",
        ),
        ("explain 0", "the CYCLE of explain cannot be '0'"),
        ("replay", "replay needs a FILE: one that wnm --report decisions --json wrote"),
        ("status doctor", "status does not take 'doctor'"),
        ("--init --dry_run", "--init cannot be a dry run"),
        ("--remove_lockfile --dry_run", "--remove_lockfile cannot be a dry run"),
        ("--init --force_action add", "--init and --force_action cannot be combined"),
        ("--init --report node-status", "--init and --report cannot be combined"),
        ("--init --remove_lockfile", "cannot be combined"),
        ("--init status", "--init and status cannot be combined"),
        ("--report node-status --force_action add", "cannot be combined"),
        ("--count 1", "--count only goes with --force_action"),
        ("--init --count 1", "--count only goes with --force_action"),
        ("--confirm", "--confirm only goes with --force_action"),
        ("--service_name antnode0001", "--service_name only goes with --force_action or --report"),
        ("--report_format json", "--json only goes with --report"),
        ("--report_format env", "--report_format only goes with --report"),
        ("status --report_format env", "--report_format only goes with --report"),
        ("--json", "--json only goes with --report, status, explain, history, doctor and such: "),
        ("--report node-status --json --report_format env", "cannot be combined"),
        ("--seed 1", "--seed only goes with simulate"),
        ("--cycles 1", "--cycles only goes with simulate"),
        ("--force_action", "--force_action needs a value"),
        ("--force_action upgarde", "--force_action cannot be 'upgarde': did you mean upgrade?"),
        ("--force_action add --count -1", "--count cannot be '-1'"),
        ("--force_action add --count 0", "--count cannot be '0'"),
        ("--force_action add --count 1.5", "--count cannot be '1.5'"),
        ("--force_action add --count x", "--count cannot be 'x'"),
        ("--force_action add --service_name antnode0001", "add takes --count"),
        ("--force_action survey --count 1", "not about single nodes"),
        ("--force_action stop --count 1 --service_name antnode0001", "cannot be combined"),
        ("--force_action remove --service_name antnode0001", "add --confirm"),
        ("--force_action teardown", "add --confirm"),
        ("--force_action stop --service_name ../x", "--service_name cannot be '../x'"),
        ("--force_action stop --service_name antnode1", "--service_name cannot be"),
        ("--force_action stop --service_name antnode0000", "--service_name cannot be"),
        ("--force_action stop --service_name antnode0001,", "--service_name cannot be"),
        ("--force_action stop --service_name=", "--service_name cannot be ''"),
        ("--force_action stop --service_name antnode0001.service.bak", "--service_name cannot be"),
        ("--report node-statuss", "--report cannot be 'node-statuss': did you mean node-status?"),
        ("--loglevel loud", "--loglevel cannot be 'loud'"),
        ("--dbpath=", "--dbpath cannot be ''"),
    ],
)
def test_refused_in_one_line(line: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(line.split())
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert caught.value.exit_code == 2


def test_strange_characters_stay_out_of_the_error() -> None:
    with pytest.raises(BadInput) as caught:
        parse(["--evil\n\x1b[31m" + "x" * 500])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("action", FORCED_ACTIONS)
def test_every_forced_action_is_accepted(action: str) -> None:
    assert parse(["--force_action", action, "--confirm"]).force_action == action


@pytest.mark.parametrize("report", REPORTS)
def test_every_report_is_accepted(report: str) -> None:
    assert parse(["--report", report]).report == report


def test_every_setting_is_an_option_in_both_spellings() -> None:
    for name in NAMES:
        for written in (f"--{name}", f"--{name.replace('_', '-')}"):
            assert parse([f"{written}=true"]).given == {NAMES[name]: "true"}


def test_help_names_every_option_default_and_variable() -> None:
    text = " ".join(help_text().split())
    for name in (*NAMES, *RUN_OPTIONS):
        assert f"--{name}" in text
    for spec in SPECS.values():
        assert f"default: {spec.default_shown}" in text
        for variable in spec.environment_names:
            assert variable in text


def test_help_fits_a_terminal() -> None:
    assert [line for line in help_text().splitlines() if len(line) > 80] == []
