"""Every report by name, and the formats that it comes in."""

from collections.abc import Callable, Mapping

from wnm.core.errors import BadInput
from wnm.core.suggest import did_you_mean, shortened
from wnm.views import decisions, explain, machine_config, machine_metrics, node_status, status
from wnm.views.material import Material
from wnm.views.payload import Payload, write_json

type Renderer = Callable[[Material], str]


def _as_json(payload: Callable[[Material], Payload]) -> Renderer:
    return lambda material: write_json(payload(material))


def _prometheus(material: Material) -> str:
    from wnm.views import prometheus  # only for those who ask for it

    return prometheus.text(material)


def _influx_resources(material: Material) -> str:
    from wnm.views import influx_resources  # the same

    return influx_resources.text(material)


_NODES_JSON = _as_json(node_status.payload)
_CYCLE_JSON = _as_json(decisions.payload)
REPORTS: Mapping[str, Mapping[str, Renderer]] = {
    "node-status": {"text": node_status.text, "json": _NODES_JSON, "env": node_status.env},
    "node-status-details": {"text": node_status.details_text, "json": _NODES_JSON, "env": node_status.env},
    "machine-config": {
        "text": machine_config.text,
        "json": _as_json(machine_config.payload),
        "env": machine_config.env,
        "config": machine_config.config,
    },
    "machine-metrics": {
        "text": machine_metrics.text,
        "json": _as_json(machine_metrics.payload),
        "env": machine_metrics.env,
    },
    "decisions": {"text": decisions.text, "json": _CYCLE_JSON, "env": decisions.env},
    # Texts that other programs read; the same for JSON is in the reports above.
    "prometheus": {"text": _prometheus},
    "influx-resources": {"text": _influx_resources},
    # The subcommands; the text of status is a table of the terminal's, and not made here.
    "explain": {"text": explain.explain, "json": _CYCLE_JSON},
    "status": {"json": _as_json(status.payload)},
}


def render(name: str, format: str, material: Material) -> str:  # noqa: A002 - it is called that everywhere
    """A report as text without a newline at its end. BadInput for a report or format that there is not."""
    if name not in REPORTS:
        remedy = did_you_mean(name, REPORTS, f"there are {', '.join(REPORTS)}")
        raise BadInput(f"no report is called {shortened(name)}: {remedy}")
    formats = REPORTS[name]
    if format not in formats:
        raise BadInput(f"{name} does not come as {shortened(format)}: use {' or '.join(formats)}")
    return formats[format](material)
