"""What people ask about alerts, and that no secret is in any answer."""

import json
from pathlib import Path

import pytest
from tests.cli.alert_tools import CALM, CRISIS, lock, notes, waiting
from tests.cli.operator import Operator
from tests.cli.receivers import TOKEN, Receiver, got, receiving, write_command
from tests.waiting import eventually


def test_a_test_goes_through_every_channel_now(operator: Operator) -> None:
    command = write_command(operator.home / "notify")
    with receiving() as good, receiving("error") as bad:
        operator.init(
            node_cap=0, alert_urls=f"{good.url},{bad.url},tgram://{TOKEN}/1", alert_command=f"'{command}'"
        )
        result = operator.run("alerts", "test")
        assert result.code == 1, result
        lines = result.out.splitlines()
        assert [line.partition(": ")[2][:21] for line in lines[:2]] == [
            "has taken message " + good.ids()[0][:3],
            "it answers 500 Intern",
        ]
        assert "tgram://…" in lines[2]
        assert "has taken message" in lines[3]
        bad.mood = "ok"
        assert operator.run("alerts", "test", "--alert_urls", bad.url).code == 0
        assert good.events() == [("test", "test")]
    assert TOKEN not in result.out + result.err
    assert [each["event"] for each in got(command)] == ["test", "test"]


def test_a_test_without_channels_is_refused(operator: Operator) -> None:
    operator.init(node_cap=0)
    result = operator.run("alerts", "test")
    assert (result.code, result.out) == (2, "")
    assert "give --alert_urls or --alert_command" in result.err


@pytest.mark.parametrize(
    "words", [("alerts", "tset"), ("alerts", "show", "more"), ("alerts", "--cycles", "3")]
)
def test_wrong_words(operator: Operator, words: tuple[str, ...]) -> None:
    operator.init(node_cap=0)
    assert operator.run(*words).code == 2


def test_no_secret_is_shown(operator: Operator, tmp_path: Path) -> None:
    log = tmp_path / "cycles.log"
    with receiving("error") as receiver:
        secrets = {
            "alert_urls": receiver.url,
            "alert_command": f"/no/such/program {TOKEN}",
            "dead_man_url": receiver.url,
        }
        init = operator.init(node_cap=0)
        given = [f"--{name}={value}" for name, value in secrets.items()]
        results = [init, operator.run("--dry_run", *given)]
        results.append(operator.cycle("--log_file", log, *given, *CRISIS))
        eventually(lambda: all(each["attempts"] for each in waiting(operator)))
        for words in (
            (),
            ("alerts",),
            ("alerts", "--json"),
            ("alerts", "test"),
            ("doctor",),
            ("explain",),
            ("--report", "machine-config"),
            ("--report", "machine-config", "--json"),
            ("--report", "decisions", "--json"),
            ("--loglevel", "DEBUG"),
            ("--alert_urls", f"{TOKEN}://x y"),
            ("--dead_man_url", TOKEN),
        ):
            results.append(operator.run(*words))
        eventually(lambda: not lock(operator).exists())
    for result in results:
        assert TOKEN not in result.out + result.err, result
    assert TOKEN not in log.read_text()
    assert "did not arrive" in log.read_text()
    for form in ("config", "env"):
        assert operator.run("--report", "machine-config", "--report_format", form).out.count(TOKEN) == 3


def test_what_receivers_repeat_of_a_secret_is_not_shown(operator: Operator) -> None:
    command = write_command(operator.home / "notify", 'echo "no room for $1" >&2; exit 3')
    with receiving("echo") as receiver:
        operator.init(node_cap=0, alert_urls=receiver.url, alert_command=f"'{command}' --token={TOKEN}")
        result = operator.run("alerts", "test")
        assert (result.code, TOKEN in result.out + result.err) == (1, False), result
        assert "it answers 500 no /…\n" in result.out
        assert "it ended with code 3: no room for …=…\n" in result.out
        operator.cycle(*CRISIS)
        eventually(lambda: all(each["attempts"] for each in waiting(operator)))
        assert TOKEN not in operator.run("alerts", "--json").out


def test_a_teardown_leaves_nothing(operator: Operator) -> None:
    with receiving() as receiver:
        operator.init(node_cap=0, alert_urls=receiver.url)
        operator.good_cycle()
        eventually(lambda: notes(operator).exists() and not lock(operator).exists())
        assert operator.run("--force_action", "teardown", "--confirm").code == 0
    assert not operator.database.parent.exists()


def test_settings_that_change_are_noted_for_when_the_database_cannot_be_read(operator: Operator) -> None:
    with receiving() as one, receiving() as other:
        operator.init(node_cap=0, alert_urls=one.url)
        operator.good_cycle()
        eventually(lambda: notes(operator).exists() and one.url in notes(operator).read_text())
        operator.good_cycle("--alert_urls", other.url)
        eventually(lambda: other.url in notes(operator).read_text())
        operator.good_cycle("--alert_urls", "none")
        eventually(lambda: not notes(operator).exists())
    assert _nothing(one)
    assert _nothing(other)


def _nothing(receiver: Receiver) -> bool:
    return not receiver.requests


def test_doctor_says_which_channels_cannot_be_used(operator: Operator) -> None:
    with receiving("error") as receiver:
        command = write_command(operator.home / "notify")
        operator.init(node_cap=0, alert_urls=receiver.url, alert_command=f"'{command}'")
        assert _checks(operator) == [True]
        operator.cycle(*CRISIS)
        eventually(lambda: any(each["attempts"] for each in waiting(operator)))
        assert _checks(operator) == [False]
    command.unlink()
    assert _checks(operator) == [False, False]
    operator.cycle("--alert_command", "notify", *CALM)
    assert _checks(operator)[0] is False


def _checks(operator: Operator) -> list[bool | None]:
    checks = json.loads(operator.run("doctor", "--json").out)["checks"]
    return [check["ok"] for check in checks if check["name"] == "alerts"]
