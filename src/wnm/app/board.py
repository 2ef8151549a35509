"""The report influx-resources with what only the dashboards want to know: asked of the nodes when it is made."""

from wnm.core.asking import Target
from wnm.formats.antnode_figures import read_figures
from wnm.node_kinds.kinds import KINDS
from wnm.sensors.node_http import ask_all
from wnm.system.clock import SystemClock
from wnm.views.facts import facts_of
from wnm.views.influx_resources import is_running, text
from wnm.views.material import Material


def points_for_boards(material: Material) -> str:
    """The report; a node that does not answer within poll_timeout lacks these figures and nothing else."""
    settings = material.settings
    targets = [
        Target(id=each.node.id, host=settings.host, port=each.node.metrics_port)
        for each in material.nodes
        if each.node.kind in KINDS
        and KINDS[each.node.kind].has_metrics
        and is_running(facts_of(each, material.observed_at))
    ]
    answers = ask_all(
        targets,
        poll_timeout=settings.poll_timeout,
        survey_delay=settings.pause_between_polls,
        clock=SystemClock(),
    )
    pages = {node_id: answer.metrics for node_id, answer in answers.items() if answer.metrics is not None}
    return text(material, {node_id: read_figures(page) for node_id, page in pages.items()})
