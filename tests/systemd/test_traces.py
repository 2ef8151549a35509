"""A teardown leaves the machine as it was before `--init`, whoever's nodes they were."""

from collections.abc import Callable, Iterator

import pytest
from tests.systemd.life import Life, as_root, do, end_lingering, linger, of_a_user, offer, with_sudo
from tests.systemd.picture import difference, picture

TEARDOWN = ("--force_action=teardown", "--confirm")
LIVES = {"root": as_root, "a user with sudo": with_sudo, "a user's own systemd": of_a_user}


@pytest.fixture(params=LIVES)
def life(request: pytest.FixtureRequest) -> Iterator[Life]:
    """That of one of the three kinds of account, with a firewall that is on."""
    makers: dict[str, Callable[[], Life]] = {**LIVES}
    made = makers[request.param]()
    offer()
    do("ufw", "--force", "enable")
    linger()
    try:
        yield made
    finally:
        made.end()
        end_lingering()
        do("ufw", "disable")


def test_nothing_of_wnm_is_left_when_keys_are_not_to_be_kept(life: Life) -> None:
    before = picture()
    life.init(keep_keys=False)
    life.bring_up(3)
    life.bring_up(2)
    life.good("--force_action=disable", "--count=1")
    life.good(*TEARDOWN)
    assert difference(before, picture()) == {}


@pytest.mark.parametrize("life", ["root", "a user's own systemd"], indirect=True)
def test_only_the_keys_are_left_and_a_second_life_takes_nothing_of_the_first(life: Life) -> None:
    before = picture()
    life.init()
    life.bring_up(2)
    peers = {node.peer_id for node in life.rows().values()}
    life.good(*TEARDOWN)
    left = difference(before, picture())
    folders = {str(each) for each in (life.keys, *life.keys.parents)}
    assert {path for path in left if path not in folders and not path.startswith(f"{life.keys}/")} == set()
    assert sum(path.endswith("/secret-key") for path in left) == 2
    life.init(keep_keys=False)
    life.bring_up(1)
    assert not peers & {node.peer_id for node in life.rows().values()}
    life.good(*TEARDOWN)
    assert difference(before, picture()) == left


def test_what_was_there_before_stays() -> None:
    root = as_root()
    folders = [root.data, root.nodes, root.logs]
    offer()
    try:
        do("useradd", "--system", "--no-create-home", "--comment", "somebody's", "ant")
        for folder in folders:
            folder.mkdir(0o755)
        (root.data / "note").write_text("mine")
        before = picture()
        root.init(keep_keys=False)
        root.bring_up(2)
        root.good(*TEARDOWN)
        assert difference(before, picture()) == {}
    finally:
        root.end()
        (root.data / "note").unlink()
        for folder in (root.nodes, root.logs, root.data):
            folder.rmdir()
        do("userdel", "ant")
