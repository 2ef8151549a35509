"""The report machine-config: every setting, its value, and which layer it came from."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from wnm.core.errors import BadInput
from wnm.core.settings import SPECS, shown
from wnm.formats.config_file import render_config
from wnm.views.material import Material
from wnm.views.payload import Payload, report_of, write_env
from wnm.views.text import columns, table
from wnm.views.words import NOTHING

_WIDEST_ALIGNED = 60


def payload(material: Material) -> Payload:
    """`settings` by name: `value`, its canonical `text`, and its `origin`.

    A value is a number (times in the setting's own unit), a boolean, null, or the text.
    """
    return report_of(
        material,
        {
            "settings": {
                name: {
                    "value": _value(getattr(material.settings, name), shown(name, text)),
                    "text": shown(name, text),
                    "origin": material.origins[name],
                }
                for name, text in material.texts.items()
            }
        },
    )


def text(material: Material) -> str:
    """`name  value  (origin)` for each setting; a dash where a value is empty."""
    values = {name: shown(name, value) or NOTHING for name, value in material.texts.items()}
    short = [name for name, value in values.items() if len(value) <= _WIDEST_ALIGNED]
    aligned = columns([(values[name], f"({material.origins[name]})") for name in short])
    behind = {name: f"{value}  ({material.origins[name]})" for name, value in values.items()}
    return table([*{**behind, **dict(zip(short, (each.plain for each in aligned), strict=True))}.items()])


def env(material: Material) -> str:
    """Assignments that wnm itself would take: WNM_HOST where other software uses HOST too, else NODE_CAP."""
    return write_env({variable_of(name): value for name, value in material.texts.items()})


def variable_of(name: str) -> str:
    """The environment variable that a setting is exported as."""
    spec = SPECS[name]
    return spec.environment_names[0 if spec.generic else -1]


def config(material: Material) -> str:
    """Lines that `-c FILE` takes. BadInput for a value that the syntax of such files cannot hold."""
    return "".join(_line(name, value) for name, value in material.texts.items()).rstrip("\n")


def _line(name: str, value: str) -> str:
    line: Mapping[str, str] = {name: value}
    try:
        return render_config(line)
    except ValueError as reason:
        raise BadInput(f"{name}: {reason}; use --report_format env or json") from None


def _value(value: Any, text: str) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, timedelta):
        number = float(text)
        return int(number) if number.is_integer() else number
    return text
