"""A machine at rest with any number of nodes, built without starting them."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from wnm.core.node import Node, NodeId, Status, node_name
from wnm.storage import rows as stored
from wnm.storage.database import open_for_writing
from wnm.system.files import stamp_of
from wnm_sim.make_program import write_program

PORT_START = 24
METRICS_START = 21
WIDE_LIMITS = """
    --cpu_less_than 99.8 --cpu_remove 99.9 --mem_less_than 98 --mem_remove 99 --hd_less_than 98 --hd_remove 99
    --desired_load_average 1000 --max_load_average_allowed 2000 --crisis_bytes 0
""".split()  # noqa: SIM905 - it reads as an operator would type it


def build(folder: Path, count: int) -> tuple[list[str], list[str]]:
    """Initialise a database for exactly `count` nodes and write their rows and folders.

    Returns the options for wnm and the nodes' root directories.
    """
    program = folder / "bin" / "antnode"
    program.parent.mkdir()
    write_program(program, "0.4.17")
    nodes, logs, database = folder / "nodes", folder / "logs", folder / "colony.db"
    nodes.mkdir()
    options = ["--dbpath", str(database)]
    given = {
        "rewards_address": "faucet",
        "node_cap": count,
        "antnode_path": program,
        "process_manager": "setsid",
        "firewall": "null",
        "node_storage": nodes,
        "log_storage": logs,
        "key_storage": folder / "keys",
        "port_start": PORT_START,
        "metrics_port_start": METRICS_START,
    }
    words = [f"--{name}={value}" for name, value in given.items()]
    subprocess.run(
        [sys.executable, "-m", "wnm", "--init", *options, *words, *WIDE_LIMITS],
        check=True,
        capture_output=True,
    )
    rows = [_node(number, nodes, logs, program) for number in range(1, count + 1)]
    with open_for_writing(str(database)) as opened:
        opened.write(lambda connection: stored.put(connection, "node", rows))
    return options, [row.root_dir for row in rows]


def _node(number: int, nodes: Path, logs: Path, program: Path) -> Node:
    name = node_name(number)
    root_dir = nodes / name
    (root_dir / "record_store").mkdir(parents=True)
    (root_dir / "secret-key").write_bytes(os.urandom(32))
    copy = root_dir / "antnode"
    copy.hardlink_to(program)
    now = datetime.now(UTC)
    return Node(
        id=NodeId(number),
        name=name,
        kind="antnode",
        manager="setsid",
        root_dir=str(root_dir),
        log_dir=str(logs / name),
        program=str(copy),
        port=PORT_START * 1000 + number,
        metrics_port=METRICS_START * 1000 + number,
        wallet="0x" + "1a" * 20,
        born=now,
        status=Status.RUNNING,
        status_since=now,
        version="0.4.17",
        binary_version="0.4.17",
        binary_stamp=stamp_of(copy.stat()),
    )
