"""The reports node-status and node-status-details: one table, and everything."""

from wnm.node_kinds.kinds import KINDS
from wnm.views.facts import NodeFacts, all_facts, payload_of
from wnm.views.material import Material
from wnm.views.payload import Payload, moment, report_of, write_env
from wnm.views.text import indented, table
from wnm.views.words import NOTHING, printable, size

_HEAD = ("name", "status", "process", "reachable", "version", "peers", "records", "disk", "last error")
_NUMBERS = (5, 6, 7)


def payload(material: Material) -> Payload:
    """Both reports for programs: when the nodes were looked at, and all of them with every key."""
    return report_of(
        material,
        {
            "observed_at": moment(material.observed_at),
            "health_sources": {
                name: health_source(name) for name in sorted({each.node.kind for each in material.nodes})
            },
            "nodes": [payload_of(facts) for facts in all_facts(material)],
        },
    )


def text(material: Material) -> str:
    """One line for each node."""
    if not material.nodes:
        return "no nodes"
    return table([_HEAD, *(_row(facts) for facts in all_facts(material))], right=_NUMBERS)


def details_text(material: Material) -> str:
    """Every key of every node, a paragraph each."""
    if not material.nodes:
        return "no nodes"
    return "\n\n".join(_paragraph(facts) for facts in all_facts(material))


def env(material: Material) -> str:
    """NODE_COUNT, NODE_IDS (separated by blanks), and NODE_<id>_<KEY> for every key of every node."""
    every = all_facts(material)
    values: dict[str, object] = {
        "NODE_COUNT": len(every),
        "NODE_IDS": " ".join(str(facts.id) for facts in every),
    }
    for facts in every:
        values |= {f"NODE_{facts.id}_{key.upper()}": value for key, value in payload_of(facts).items()}
    return write_env(values)


def known(value: object) -> str:
    """A value in a table."""
    return NOTHING if value is None else printable(str(value))


def _kinds(material: Material) -> list[str]:
    return sorted({each.node.kind for each in material.nodes})


def health_source(kind: str) -> str:
    """What the health of nodes of a kind is judged by."""
    found = KINDS.get(kind)
    return "process, key, store and log" if found is not None and not found.has_metrics else "metrics pages"


def reachability(facts: NodeFacts) -> str:
    """How a node's metrics port behaved; for one that has none, what stands for it."""
    found = KINDS.get(facts.kind)
    if facts.reachable is None and found is not None and not found.has_metrics:
        return "by files"
    return known(facts.reachable)


def _row(facts: NodeFacts) -> tuple[str, ...]:
    return (
        printable(facts.name),
        facts.status,
        facts.process,
        reachability(facts),
        known(facts.version or facts.binary_version),
        known(facts.connected_peers),
        known(facts.records),
        known(None if facts.disk_bytes is None else size(facts.disk_bytes)),
        known(facts.last_error),
    )


def _paragraph(facts: NodeFacts) -> str:
    rows = [(key, known(value)) for key, value in payload_of(facts).items() if key != "name"]
    return f"{printable(facts.name)}\n{indented(table(rows))}"
