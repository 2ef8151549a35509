"""Values, paths and nodes that try to become more than that stay what they are, with a real systemd."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests.cli.operator import program_bytes
from tests.systemd.life import PROGRAM, Life, as_root, children, directives, do, elsewhere, name, offer
from tests.waiting import eventually

PWNED = Path("/srv/pwned")
COMMAND = f"/bin/touch {PWNED}"
VALUES = {
    "lines": f"a\nExecStartPre={COMMAND}\n[Service]\nUser=root\n",
    "line continued": f"a\\\nExecStartPre={COMMAND}",
    "carriage return": f"a\rExecStartPre={COMMAND}",
    "specifiers": "%i %h %% %n %t",
    "variables": "$HOME ${PATH} $$ ${",
    "commands": f"; {COMMAND} `{COMMAND}` $({COMMAND}) | & \\;",
    "quotes": "\"two\" 'one' \" '",
    "section": "[Service]",
    "backslashes": "\\ \\x41 \\n \\\\",
    "unicode": "é ü 日本 😀",
    "lines of unicode": "a\u2028b\u0085c",
    "escape": "\x1b[31mred",
    "blanks": "  both ends  ",
    "tab": "a\tb",
    "comment": "# ; no comment",
    "prefixes": "-@:+!|",
    "long": "x" * 5000,
    "empty": "",
}
REFUSED = ("lines", "line continued", "carriage return", "lines of unicode", "escape", "tab")
FOLDERS = (
    "two words %h %i",
    "$UNSET",
    "quo\"te and it's",
    "semi;colon #hash [Service]",
    "back\\slash",
    f"new\nExecStartPre={COMMAND}",
    "é 日本 {x} a=b -x *?~",
)


@pytest.fixture(scope="module")
def life() -> Iterator[Life]:
    """One harmless node."""
    root = as_root(firewall="null")
    offer()
    try:
        root.init(keep_keys=False, max_concurrent_starts=30, max_concurrent_operations=30)
        root.bring_up(1)
        yield root
    finally:
        root.end()
    assert not PWNED.exists()


def traces(life: Life) -> tuple[object, ...]:
    """What would be different if a node had been added or a setting been stored."""
    files = [each.read_bytes() for each in sorted(life.data.glob("colony.db*"))]
    return files, *map(children, (life.units, life.links, life.nodes, life.logs))


@pytest.mark.parametrize("which", VALUES)
def test_a_value_is_refused_or_reaches_the_node_and_nothing_else(life: Life, which: str) -> None:
    word = f"HOSTILE={VALUES[which]}"
    given = (f"--environment={shlex.quote(word)}", f"--start_args=--peer {shlex.quote(word)}")
    known = set(life.rows())
    add = ("--force_action=add", "--count=1", f"--node_cap={len(known) + 1}")
    if which in REFUSED:
        before = traces(life)
        for each in given:
            told = life.run(*add, each)
            assert (told.code, told.out, len(told.lines)) == (2, "", 1), told
        assert traces(life) == before
        return
    life.good(*add, *given)
    (added,) = set(life.rows()) - known
    harmless, hostile = (directives(life.unit(each).read_text()) for each in (1, added))
    assert sorted(hostile) == sorted([*harmless, ("[Service]", "Environment")])
    process = Path(f"/proc/{life.pid(added)}")
    assert word.encode() in (process / "environ").read_bytes().split(b"\0")
    assert word.encode() in (process / "cmdline").read_bytes().split(b"\0")
    assert process.owner() == "ant"
    assert not PWNED.exists()


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_is_refused_or_used_under_exactly_its_name(life: Life, folder: str) -> None:
    other = elsewhere(Path("/srv/hostile"), block=59, firewall="null")
    base = Path("/srv/hostile") / folder
    base.mkdir(parents=True)
    places = {kind: base / kind for kind in ("nodes", "logs", "keys")}
    given = [
        f"--{kind}_storage={base / place}"
        for kind, place in (("node", "nodes"), ("log", "logs"), ("key", "keys"))
    ]
    wished = [f"--{key}={value}" for key, value in other.wishes.items() if not key.endswith("_storage")]
    told = other.run(
        "--init",
        "--rewards_address=faucet",
        f"--antnode_path={PROGRAM}",
        "--cpu_less_than=99.9",
        "--cpu_remove=100",
        "--node_cap=1",
        *wished,
        *given,
    )
    try:
        if told.code == 2:
            left = (other.data.exists(), children(base), other.unit_names())
            assert (len(told.lines), left) == (1, (False, [], []))
            return
        assert told.code == 0, told
        other.good("--force_action=add", "--count=1")
        ((node_id, node),) = other.rows().items()
        assert Path(node.root_dir).parent == places["nodes"]
        assert directives(other.unit(node_id).read_text()) == directives(life.unit(1).read_text())
        here = replace(other, nodes=places["nodes"])
        assert psutil.Process(here.pid(node_id)).username() == "ant"
        eventually(lambda: (places["logs"] / name(node_id) / "antnode.log").exists())
        eventually(lambda: (places["nodes"] / name(node_id) / "secret-key").exists())
        other.good("--force_action=teardown", "--confirm", "--stop_grace=5")
        assert [each.name for each in places["keys"].rglob("secret-key")] == ["secret-key"]
        assert (children(places["nodes"]), children(places["logs"])) == ([], [])
    finally:
        other.end()
        do("rm", "-r", "--", "/srv/hostile")
    assert not PWNED.exists()


def test_links_that_a_node_puts_in_its_folder_lead_root_nowhere(life: Life) -> None:
    target = Path("/srv/target")
    target.write_text("root's own\n")
    target.chmod(0o600)
    folder, log_folder = life.folder(1), life.logs / name(1)
    for link in (
        "antnode.previous",
        ".antnode.new",
        "antnode.previous.new",
        ".antnode.previous.new",
        "secret-key",
    ):
        do("ln", "-sfn", str(target), str(folder / link), user="ant")
    do("ln", "-sfn", str(target), str(log_folder / "antnode.log"), user="ant")
    do("ln", "-sfn", "/srv", str(folder / "srv"), user="ant")
    try:
        offer("0.4.18")
        life.run("--force_action=upgrade", "--service_name=antnode0001")
        assert (target.read_text(), target.stat().st_uid, target.stat().st_mode & 0o777) == (
            "root's own\n",
            0,
            0o600,
        )
        life.run("--force_action=remove", "--service_name=antnode0001", "--confirm", "--keep_keys=true")
        assert "root's own" not in "".join(
            each.read_text() for each in life.keys.rglob("*") if each.is_file()
        )
        life.run("--force_action=remove", "--service_name=antnode0001", "--confirm", "--keep_keys=false")
        assert 1 not in life.rows()
        assert not folder.exists()
        assert (target.read_text(), target.stat().st_uid, target.stat().st_mode & 0o777) == (
            "root's own\n",
            0,
            0o600,
        )
        assert Path("/srv/wnm").is_dir()
    finally:
        target.unlink()
        offer()
        life.bring_up(len(life.rows()) + 1)


def test_a_node_cannot_replace_its_own_program(life: Life, tmp_path: Path) -> None:
    newest = max(life.rows())
    newer = Path("/usr/local/share/newer-antnode")
    newer.write_bytes(program_bytes("0.4.99"))
    newer.chmod(0o755)
    program, before = life.folder(newest) / "antnode", (life.folder(newest) / "antnode").read_bytes()
    try:
        orders = life.folder(newest) / "misbehave.json"
        orders.write_text(json.dumps({"self_upgrade_to": str(newer)}))
        orders.chmod(0o644)
        log = life.logs / name(newest) / "antnode.log"
        eventually(lambda: re.search("Behaviour is now", log.read_text()))
        for words in (("cp", str(newer), str(program)), ("mv", str(newer), str(program))):
            with pytest.raises(AssertionError):
                do("nsenter", "-t", str(life.pid(newest)), "-m", "runuser", "-u", "ant", "--", *words)
        assert program.read_bytes() == before
        assert program.owner() == "root"
    finally:
        newer.unlink()
