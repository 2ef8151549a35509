"""What becomes of a ufw that is missing, hangs, fails or must not be used, and of what it must not be given."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from tests.contracts.firewall_bench import needs_real, real_ufw, script, stand_in

from wnm.core.errors import NeedsOperator, Permanent, Transient
from wnm.core.observation import FirewallReading, Unseen
from wnm.firewall.ufw import UfwFirewall, ufw_active

ONE = "wnm antnode0001"


@pytest.mark.parametrize(
    "comment",
    ["", "wnm ", f"{ONE}\n", f"{ONE}\nx", f"{ONE}'", f"'{ONE}'", f'{ONE}"', f"{ONE} # x",
     f"{ONE}\0", "wnm größe", "wnm " + "a" * 101, "--force", f"{ONE} comment"],
)  # fmt: skip
def test_comments_that_would_not_be_known_again_are_refused(tmp_path: Path, comment: str) -> None:
    with stand_in(tmp_path) as bench:
        for act in (bench.firewall().open_port, bench.firewall().close_port):
            with pytest.raises(Permanent):
                act(55001, comment)
        assert bench.calls() == []


def test_a_bare_name_may_be_closed_but_not_opened(tmp_path: Path) -> None:
    """It is the comment of a rule that came with a node that was taken over."""
    with stand_in(tmp_path) as bench:
        with pytest.raises(Permanent):
            bench.firewall().open_port(55001, "antnode0001")
        assert bench.calls() == []
        bench.firewall().close_port(55001, "antnode0001")


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_what_is_no_port_is_refused(tmp_path: Path, port: int) -> None:
    with stand_in(tmp_path) as bench:
        with pytest.raises(Permanent):
            bench.firewall().open_port(port, ONE)
        assert bench.calls() == []


def test_without_ufw_there_is_nothing_to_do(tmp_path: Path) -> None:
    firewall = UfwFirewall(str(tmp_path / "missing"))
    assert firewall.read() == FirewallReading(
        active=False, note="ufw is not installed, so no port needs to be opened"
    )
    firewall.open_port(55001, ONE)
    firewall.close_port(55001, ONE)
    assert ufw_active(str(tmp_path / "missing")) is None


def test_a_ufw_that_hangs_is_ended(tmp_path: Path) -> None:
    quick = timedelta(seconds=0.3)
    firewall = UfwFirewall(
        script(tmp_path / "ufw", "sleep 60"), read_timeout=quick, change_timeout=quick, settings_files=()
    )
    began = time.monotonic()
    seen = firewall.read()
    assert isinstance(seen, Unseen)
    assert "no end after 0.3 s" in seen.reason
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(firewall.open_port, 55000 + number, ONE) for number in range(1, 9)]:
            assert isinstance(done.exception(), Transient)
    # What is known not to answer is not asked again by each of them.
    assert time.monotonic() - began < 5


def test_a_change_that_hangs_is_ended_and_nothing_is_taken_for_known(tmp_path: Path) -> None:
    with stand_in(tmp_path) as bench:
        hanging = script(
            tmp_path / "hangs-on-changes",
            f'echo "$*" >>{bench.log}\ncase $1 in allow) sleep 60;; esac\nexec {bench.ufw} "$@"',
        )
        firewall = UfwFirewall(hanging, change_timeout=timedelta(seconds=0.3), settings_files=())
        for _ in range(2):
            with pytest.raises(Transient, match="no end after"):
                firewall.open_port(55001, ONE)
        assert [call.split()[0] for call in bench.calls()] == ["status", "allow", "status", "allow"]


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("echo 'ERROR: problem running iptables' >&2; exit 1", "problem running iptables"),
        ("echo nonsense", "this is no status of ufw: 'nonsense'"),
        ("kill -9 $$", "SIGKILL"),
        ("", "this is no status of ufw"),
    ],
)
def test_a_ufw_that_fails_is_unseen(tmp_path: Path, program: str, reason: str) -> None:
    firewall = UfwFirewall(script(tmp_path / "ufw", program), settings_files=())
    seen = firewall.read()
    assert isinstance(seen, Unseen)
    assert reason in seen.reason
    for act in (firewall.open_port, firewall.close_port):
        with pytest.raises(Transient) as caught:
            act(55001, ONE)
        assert reason in str(caught.value)
    with pytest.raises(Transient):
        ufw_active(str(tmp_path / "ufw"))


def refused(program: str) -> None:
    """Check that a ufw which only root may use is no reason to try again."""
    firewall = UfwFirewall(program)
    seen = firewall.read()
    assert isinstance(seen, Unseen)
    assert seen.reason == "only root may use ufw: run wnm as root, or give --firewall null"
    for act in (firewall.open_port, firewall.close_port):
        with pytest.raises(NeedsOperator) as caught:
            act(55001, ONE)
        assert caught.value.remedy == "run wnm as root, or give --firewall null"
    with pytest.raises(NeedsOperator):
        ufw_active(program)


def test_without_root_the_operator_is_needed(tmp_path: Path) -> None:
    refused(script(tmp_path / "ufw", "echo 'ERROR: You need to be root to run this script' >&2; exit 1"))


@needs_real
def test_without_root_the_real_one_says_so(tmp_path: Path) -> None:
    refused(script(tmp_path / "ufw", f'exec setpriv --reuid 65534 --clear-groups {real_ufw()} "$@"'))
