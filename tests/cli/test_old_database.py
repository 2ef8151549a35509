"""`wnm --init` over the database of an older wnm, with nodes that really run."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.cli.operator import Operator
from tests.storage.old_databases import CASES

from wnm.core.node import Status


def become_old(operator: Operator, *, place: Path | None = None) -> Path:
    """Put the database of an older wnm in the place of ours: true in some of what it says, and wrong in the rest."""
    nodes = operator.remembered()
    for path in operator.database.parent.glob("colony.db*"):
        path.unlink()
    path = place or operator.database
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((CASES / "0.6.sql").read_text(encoding="utf-8"))
        connection.execute(
            "UPDATE machine SET process_manager='setsid', node_storage=?, port_start=?, metrics_port_start=?, "
            "antnode_path=?, rewards_address='faucet', node_cap=2, delay_start=300, delay_restart=600, "
            "cpu_less_than=99, cpu_remove=100, mem_less_than=98, mem_remove=99, hd_less_than=98, hd_remove=99, "
            "max_load_average_allowed=200, desired_load_average=100, crisis_bytes=1000, environment=''",
            (str(operator.nodes), operator.port_start, operator.metrics_port_start, str(operator.program)),
        )
        connection.execute("DELETE FROM node WHERE id > 2")
        for number in (1, 2):
            node = nodes[number]
            connection.execute(
                # As its parser had it: cut short at the first character that it did not expect.
                "UPDATE node SET manager_type='setsid', root_dir=?, port=?, metrics_port=?, wallet=?, status=?, "
                "peer_id=? WHERE id=?",
                (str(operator.home)[:10], node.port, node.metrics_port, node.wallet, "DEAD", "", number),
            )
        connection.commit()
    return path


def content(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in sorted(path.parent.glob(f"{path.name}*"))}


def words(operator: Operator) -> list[str]:
    """What the older database does not say."""
    keys = ("--log_storage", "--key_storage", "--firewall")
    return [word for word in operator.wishes() if word.startswith(keys)]


def test_it_is_recognised_adopted_and_kept(operator: Operator) -> None:
    pids = operator.bring_up(2)
    before = content(become_old(operator))
    plain = operator.cycle()
    assert plain.code == 3
    assert "older wnm: take it over with: wnm --init" in plain.err
    told = operator.run("--init", *words(operator))
    assert told.code == 0, told
    assert "delay_start = 5" in told.out, "seconds there, minutes here"
    rows = operator.remembered()
    assert {number: node.status for number, node in rows.items()} == {1: Status.RUNNING, 2: Status.RUNNING}
    assert [node.root_dir for node in rows.values()] == [str(operator.folder(1)), str(operator.folder(2))]
    for _ in range(3):
        operator.good_cycle()
    assert operator.pids() == pids, "nothing that the older database called DEAD was removed or restarted"
    (kept,) = operator.database.parent.glob("takeover-*")
    assert any(copy.read_bytes() == before["colony.db"] for copy in (kept / "files").iterdir())
    undone = operator.run("--undo_migration")
    assert undone.code == 0, undone
    assert content(operator.database) == before
    assert operator.pids() == pids


def test_one_from_elsewhere_is_only_read(operator: Operator, tmp_path: Path) -> None:
    pids = operator.bring_up(2)
    elsewhere = become_old(operator, place=tmp_path / "old.db")
    before = content(elsewhere)
    told = operator.run("--init", f"--migrate_wnm={elsewhere}", *words(operator))
    assert told.code == 0, told
    assert content(elsewhere) == before
    operator.good_cycle()
    assert operator.pids() == pids
    assert operator.run("--undo_migration").code == 2, "nothing was moved, so there is nothing to put back"


def test_what_cannot_be_right_is_asked_for_or_replaced_when_allowed(operator: Operator) -> None:
    operator.bring_up(1)
    with closing(sqlite3.connect(become_old_of_one(operator))) as connection:
        connection.execute("UPDATE machine SET cpu_remove=300, node_cap=-5")
        connection.commit()
    before = content(operator.database)
    refused = operator.run("--init", *words(operator))
    assert refused.code == 3
    assert "cpu_remove" in refused.out
    assert "--accept_defaults" in refused.out
    assert content(operator.database) == before
    accepted = operator.run("--init", "--accept_defaults", "--node_cap=1", *words(operator))
    assert accepted.code == 0, accepted
    assert operator.report("machine-config")["settings"]["cpu_remove"]["value"] == 80


def become_old_of_one(operator: Operator) -> Path:
    """The same with one node there, and a row of a second one that never was."""
    operator.run("--force_action=add", "--count=1", "--node_cap=2")
    return become_old(operator)


HOLD = "import sys; file = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


def unheard(operator: Operator, *words: str, until: str) -> int:
    """Run `wnm` for a reader that goes away as soon as it has read this; the exit code."""
    process = operator.begin(*words)
    assert process.stdout is not None
    assert any(until in line for line in process.stdout), "it says this"
    process.stdout.close()
    return process.wait(timeout=60)


def test_killed_right_after_writing_it_is_undone_without_mixing_the_two(operator: Operator) -> None:
    """The database is there, and the manifest does not say so yet.

    Each of the two also has to get to its end for a reader who goes away.
    """
    operator.bring_up(1)
    before = content(become_old_of_one(operator))
    assert unheard(operator, "--init", *words(operator), until="moving") == 0
    operator.good_cycle()
    (manifest,) = operator.database.parent.glob("takeover-*/manifest.json")
    said = json.loads(manifest.read_text())
    said["steps"] = [step for step in said["steps"] if "written" not in step[0] and "looked" not in step[0]]
    manifest.write_text(json.dumps(said))
    Path(f"{operator.database}-wal").write_bytes(b"ours")
    assert unheard(operator, "--undo_migration", until="proven by checksum") == 0
    assert content(operator.database) == before
    assert operator.run("--undo_migration").code == 2, "nothing is left to be undone"


def test_a_cycle_of_the_older_wnm_that_is_under_way_is_waited_for(operator: Operator) -> None:
    """What it writes into the file at its end would be lost."""
    with closing(sqlite3.connect(operator.home / "old")) as connection:
        connection.executescript((CASES / "0.6.sql").read_text(encoding="utf-8"))
    operator.database.parent.mkdir()
    (operator.home / "old").rename(operator.database)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, operator.database], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as cycle:
        assert cycle.stdout is not None
        assert cycle.stdin is not None
        assert cycle.stdout.readline()
        with operator.begin("--init", *operator.wishes(), "--accept_defaults") as process:
            assert process.stdout is not None
            assert any(f"waiting for process {cycle.pid} " in line for line in process.stdout)
            assert not operator.database.exists()
            cycle.stdin.close()
            process.communicate(timeout=60)
        assert process.returncode == 0
