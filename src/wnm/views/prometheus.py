"""The report prometheus: the machine, the last cycle and every node as metrics in base units.

What is not known is left out, never 0. Names stay as they are: dashboards and alerts are built on them.
"""

from wnm.formats.exposition_text import render
from wnm.views.material import Material
from wnm.views.prometheus_cycle import cycle_families
from wnm.views.prometheus_machine import machine_families
from wnm.views.prometheus_nodes import node_families

MARK = "# Written by wnm: the next cycle replaces what is changed here."


def text(material: Material) -> str:
    """The exposition, headed by a comment that says whose it is."""
    families = (*machine_families(material), *cycle_families(material), *node_families(material))
    return f"{MARK}\n{render(families)}".rstrip("\n")
