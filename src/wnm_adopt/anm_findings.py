"""What was found in anm's files: settings for wnm, and what a person has to decide."""

from collections.abc import Mapping

from msgspec import Struct

from wnm.core.settings import SPECS
from wnm_adopt.shell_assignments import Place

CONFIG = "/var/antctl/config"
OVERRIDE = "/var/antctl/override"
SYSTEM = "/var/antctl/system"
TEARDOWN_CONFIG = "/var/antctl/teardown_config"
SCRIPT = "/usr/bin/anms.sh"


class AnmTexts(Struct, frozen=True, kw_only=True):
    """The texts of anm's files, decoded with `surrogateescape`; None for a file that is not there."""

    config: str | None = None
    override: str | None = None
    script: str | None = None
    system: str | None = None
    teardown_config: str | None = None
    counters: str | None = None
    node_details: str | None = None


class UnknownSetting(Struct, frozen=True, kw_only=True):
    """A key of anm's whose value cannot be told. `line` is 0 where no line gives it.

    `option` is the setting of wnm to give by hand; without it nothing is taken over if it `matters`.
    """

    key: str
    file: str
    line: int
    text: str
    reason: str
    option: str
    matters: bool

    def __str__(self) -> str:
        where = Place(file=self.file, line=self.line, text=self.text)
        return f"{place_text(where)}: {self.key} is not known: {self.reason}; give {by_hand(self.option)}"


class WrongSetting(Struct, frozen=True, kw_only=True):
    """Keys of anm's with values that cannot be right, and wnm's defaults that would stand in for them.

    `places` are the lines that give the values. `defaults` are texts by the name of wnm's setting.
    """

    keys: tuple[str, ...]
    values: tuple[str, ...]
    places: tuple[Place, ...]
    why: str
    defaults: Mapping[str, str]

    def __str__(self) -> str:
        where = "; ".join(map(place_text, self.places))
        options = " and ".join(map(by_hand, self.defaults))
        texts = ", ".join(f"{name} {text or 'none'}" for name, text in self.defaults.items())
        return f"{where}: {self.why}; give {options}, or --accept_defaults for {texts}"


class AnmSettings(Struct, frozen=True, kw_only=True):
    """What anm's settings come to.

    `given` holds texts for wnm's settings by name. What is `wrong` is not in it, so that wnm's defaults apply.
    `notes` are lines for people. `teardown_pending` says that the next run of anm takes every node away.
    """

    given: Mapping[str, str]
    unknown: tuple[UnknownSetting, ...]
    wrong: tuple[WrongSetting, ...]
    notes: tuple[str, ...]
    teardown_pending: bool

    def blocking(self, accept_defaults: bool) -> tuple[str, ...]:
        """A line on each thing that has to be decided before anything can be taken over; empty if nothing is."""
        unknown = tuple(str(each) for each in self.unknown if each.matters)
        return unknown if accept_defaults else (*unknown, *map(str, self.wrong))


def place_text(place: Place) -> str:
    """A line of a file as it stands in messages."""
    return f"{place.file}:{place.line}: {place.text}" if place.line else place.file


def by_hand(name: str) -> str:
    """The option that gives a setting of wnm."""
    return f"--{name} {SPECS[name].form.shown}"
