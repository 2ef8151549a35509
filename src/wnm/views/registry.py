"""Renders every report by its name, in each of its formats."""

from collections.abc import Callable, Mapping
from importlib import import_module

from wnm.core.errors import BadInput, did_you_mean, shortened
from wnm.views import explain, reports, status
from wnm.views.material import Material
from wnm.views.payload import Payload, write_json

type Renderer = Callable[[Material], str]


def _as_json(payload: Callable[[Material], Payload]) -> Renderer:
    return lambda material: write_json(payload(material))


def _lazily(module: str) -> Renderer:
    """A text that other programs read, by a module of its own: only for those who ask for it."""
    return lambda material: str(import_module(f"wnm.views.{module}").text(material))


_NODES = {"json": _as_json(reports.nodes_payload), "env": reports.nodes_env}
_CYCLE_JSON = _as_json(explain.cycle_payload)
REPORTS: Mapping[str, Mapping[str, Renderer]] = {
    "node-status": {"text": reports.nodes_text, **_NODES},
    "node-status-details": {"text": reports.nodes_details, **_NODES},
    "machine-config": {
        "text": reports.config_text,
        "json": _as_json(reports.config_payload),
        "env": reports.config_env,
        "config": reports.config,
    },
    "machine-metrics": {
        "text": reports.machine_text,
        "json": _as_json(reports.machine_payload),
        "env": reports.machine_env,
    },
    "decisions": {"text": explain.cycle_text, "json": _CYCLE_JSON, "env": explain.cycle_env},
    "prometheus": {"text": _lazily("prometheus")},
    "influx-resources": {"text": _lazily("influx")},
    # The subcommands; the text of status is a table of the terminal's, and not made here.
    "explain": {"text": explain.explain, "json": _CYCLE_JSON},
    "status": {"json": _as_json(status.status_payload)},
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
