"""machine-config: each value with its origin, and back again through a shell and a config file."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from tests.builders import ALICE, HOST, settings
from tests.views.builders import material, texts_of
from tests.views.shell import evaluated

from wnm.app.sources import read_config_file
from wnm.core.errors import BadInput
from wnm.core.forms import WeightedWallet
from wnm.core.layers import Layer, resolve
from wnm.core.settings import SPECS
from wnm.views.registry import render
from wnm.views.reports import variable_of

ODD = settings(
    rewards_address=(
        WeightedWallet(name_or_address=ALICE, weight=100),
        WeightedWallet(name_or_address="faucet", weight=1),
    ),
    node_storage=("/mnt/a b", "/mnt/it's ~ ; & #z"),
    environment=(("GREETING", 'it\'s "fine" $HOME'), ("EMPTY", "")),
    start_args=("--label", "two words; # not a comment"),
    delay_start=timedelta(seconds=90),
    survey_delay=timedelta(milliseconds=250),
    node_version="0.4.18-rc.1",
    netio_read_remove=10**15,
    desired_load_average=0.1 + 0.2,
    no_upnp=False,
)
TEXTS = texts_of(ODD)


def test_every_setting_is_there_with_its_origin() -> None:
    data = json.loads(render("machine-config", "json", material(wished=ODD)))["settings"]
    assert list(data) == list(SPECS)
    assert {name: entry["text"] for name, entry in data.items()} == TEXTS
    assert data["rewards_address"]["origin"] == "database"
    assert data["cpu_remove"] == {"value": 80.0, "text": "80", "origin": "default"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("node_cap", 50),
        ("delay_start", 1.5),
        ("survey_delay", 250),
        ("poll_timeout", 2),
        ("no_upnp", False),
        ("this_action_delay", None),
        ("node_version", "0.4.18-rc.1"),
        ("node_storage", TEXTS["node_storage"]),
        ("start_args", TEXTS["start_args"]),
        ("environment", TEXTS["environment"]),
    ],
)
def test_values_have_the_types_of_json(name: str, value: object) -> None:
    found = json.loads(render("machine-config", "json", material(wished=ODD)))["settings"][name]["value"]
    assert found == value
    assert type(found) is type(value)


def test_text_has_a_line_for_each_setting_with_its_origin_behind() -> None:
    lines = render("machine-config", "text", material(wished=ODD)).splitlines()
    assert [line.split()[0] for line in lines] == list(SPECS)
    assert next(line for line in lines if line.startswith("node_cap")).split() == [
        "node_cap", "50", "(command", "line)",
    ]  # fmt: skip
    assert len({line.index("(") for line in lines if len(line) < 100}) == 1


def test_a_shell_takes_every_value_over(tmp_path: Path) -> None:
    names = [variable_of(name) for name in SPECS]
    values = evaluated(render("machine-config", "env", material(wished=ODD)), tmp_path, names)
    assert list(values.values()) == list(TEXTS.values())


def test_names_that_other_software_uses_are_exported_with_the_prefix() -> None:
    variables = {name: variable_of(name) for name in SPECS}
    assert variables["host"] == "WNM_HOST"
    assert variables["environment"] == "WNM_ENVIRONMENT"
    assert variables["node_cap"] == "NODE_CAP"
    assert variables["this_action_delay"] == "THIS_ACTION_DELAY"
    assert all(variables[name] in spec.environment_names for name, spec in SPECS.items())


@pytest.mark.parametrize("wished", [ODD, settings()], ids=["odd", "ordinary"])
def test_a_config_file_gives_the_same_settings_again(wished: object, tmp_path: Path) -> None:
    assert isinstance(wished, type(ODD))
    file = tmp_path / "config"
    file.write_text(render("machine-config", "config", material(wished=wished)) + "\n", encoding="utf-8")
    entries = read_config_file(file, explicit=True)
    assert list(entries) == list(SPECS)
    assert resolve([Layer(name="file", values=entries)], HOST).settings == wished


def test_a_value_that_no_config_file_can_hold_is_named() -> None:
    with pytest.raises(BadInput, match=r"^log_storage: .*; use --report_format env or json$"):
        render("machine-config", "config", material(wished=settings(log_storage="[/odd]")))
