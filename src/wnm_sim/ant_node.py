"""ant-node as a simulated node plays it: what differs from antnode."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from wnm_sim import ant_node_arguments, identity
from wnm_sim.ant_node_folder import AntNodeFolder
from wnm_sim.ant_node_journal import AntNodeJournal, LastBreath
from wnm_sim.arguments import Arguments
from wnm_sim.node import Flavour

DEFAULT_VERSION = "0.14.2"


def version_text(version: str) -> str:
    """The answer to `--version`, without a final newline."""
    return f"ant-node {version}"


def _parse(words: Sequence[str], refused: Collection[str]) -> Arguments:
    return ant_node_arguments.parse(words, os.environ, refused)


def _peer_id(key: bytes) -> str:
    return identity.peer_number(key).to_bytes(32, "big").hex()


def _root(peer: str) -> Path:
    return identity.default_root(peer, "ant", "nodes")


def _journal(asked: Arguments, _root: Path) -> tuple[AntNodeJournal, LastBreath]:
    to_file = asked.log_output_dest not in ("", "stdout")
    journal = AntNodeJournal(
        Path(asked.log_output_dest) if to_file else None,
        as_json=asked.log_format == "json",
        silent=not asked.log_output_dest,
    )
    return journal, LastBreath(journal)


ANT_NODE = Flavour(
    name="ant-node",
    parse=_parse,
    usage=ant_node_arguments.usage,
    one_version=lambda _which, version: version_text(version),
    spoken_version=lambda version: version,
    key_file="node_identity.key",
    peer_id=_peer_id,
    default_root=_root,
    folder=AntNodeFolder,
    journal=_journal,
    keeps_backup=True,
)
