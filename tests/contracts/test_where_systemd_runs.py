"""Why systemd cannot run nodes here, judged by files; and where units come from."""

import os
import pwd
from pathlib import Path

import pytest

from wnm.core.errors import NeedsOperator
from wnm.formats.systemd_unit import Scope
from wnm.process_managers.systemd import why_not_here
from wnm.process_managers.systemd_files import search_path

NOBODY = pwd.getpwnam("nobody")


def machine(root: Path, *present: str) -> str:
    """A machine on which these files are there."""
    for path in present:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return str(root)


RUNS = "run/systemd/system/any"
LINGERS = "var/lib/systemd/linger/nobody"
REACHABLE = f"run/user/{NOBODY.pw_uid}/systemd/private"


@pytest.mark.parametrize(
    ("scope", "user_id", "present", "says"),
    [
        ("system", 0, [RUNS], None),
        ("system", 0, [], "systemd does not run"),
        ("system", NOBODY.pw_uid, [RUNS], "for root"),
        ("user", NOBODY.pw_uid, [RUNS, LINGERS, REACHABLE], None),
        ("user", NOBODY.pw_uid, [LINGERS, REACHABLE], "systemd does not run"),
        ("user", NOBODY.pw_uid, [RUNS, REACHABLE], "run: sudo loginctl enable-linger nobody"),
        ("user", NOBODY.pw_uid, [RUNS, LINGERS], f"run: sudo systemctl restart user@{NOBODY.pw_uid}.service"),
        ("user", 0, [RUNS, "var/lib/systemd/linger/root", "run/user/0/systemd/private"], "use systemd"),
        ("user", 4242424, [RUNS], "enable-linger 4242424"),
    ],
)
def test_what_is_missing_is_said_with_its_remedy(
    tmp_path: Path, scope: Scope, user_id: int, present: list[str], says: str | None
) -> None:
    found = why_not_here(scope, root=machine(tmp_path, *present), user_id=user_id)
    if says is None:
        assert found is None
    else:
        assert isinstance(found, NeedsOperator)
        assert says in str(found)


@pytest.mark.systemd
@pytest.mark.skipif(
    os.environ.get("IN_WNM_TEST_MACHINE") != "1", reason="needs the test machine with systemd"
)
def test_the_folders_are_those_that_systemd_itself_names() -> None:
    from tests.contracts.services import SCOPE, systemctl

    ours = search_path(SCOPE, home=str(Path.home()), runtime=f"/run/user/{os.geteuid()}")
    its = systemctl("show", "--value", "--property=UnitPath").split()
    assert set(its) <= set(ours)
