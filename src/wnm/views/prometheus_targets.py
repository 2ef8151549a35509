"""Where the nodes' own metrics are, for file_sd_configs of Prometheus."""

import json

from wnm.core.node import ProcessState, Status
from wnm.node_kinds.kinds import KINDS
from wnm.views.facts import NodeFacts, all_facts
from wnm.views.material import Material

_UP = (Status.RUNNING, Status.RESTARTING, Status.UPGRADING)
_MARK = {"__meta_written_by": "wnm"}
"""JSON has no comments; labels that begin like this are dropped before anything is stored."""


def text(material: Material) -> str:
    """A JSON list with an entry for each node that should answer, by name, one a line."""
    host = material.settings.host
    # An address with colons has to be told from the port behind it.
    at = f"[{host}]" if ":" in host else host
    entries = [
        {
            "labels": {**_MARK, "node": facts.name, "kind": facts.kind},
            "targets": [f"{at}:{facts.metrics_port}"],
        }
        for facts in all_facts(material)
        if _should_answer(facts)
    ]
    # Prometheus takes an entry without targets; it says whose file this is while there is no node.
    lines = [json.dumps(entry) for entry in entries or [{"labels": _MARK, "targets": []}]]
    return "[\n" + ",\n".join(lines) + "\n]"


def _should_answer(facts: NodeFacts) -> bool:
    """Whether it is up, or meant to be, and of a kind that tells metrics."""
    kind = KINDS.get(facts.kind)
    is_up = facts.status in _UP or facts.process is ProcessState.RUNNING
    return is_up and kind is not None and kind.has_metrics
