"""Settings that were found with another manager: what is given, and what a person has to decide."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct

from wnm.core.errors import BadInput
from wnm.core.host import Host
from wnm.core.setting import REQUIRED
from wnm.core.setting_checks import check_together
from wnm.core.settings import SPECS, Settings, read, render


class UnknownSetting(Struct, frozen=True, kw_only=True):
    """A setting whose value cannot be told; `key` is its name at `where`.

    `option` is the setting of wnm to give by hand; without it nothing is taken over if it `matters`.
    """

    key: str
    where: str
    reason: str
    option: str
    matters: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.key} is not known: {self.reason}; give {by_hand(self.option)}"


class WrongSetting(Struct, frozen=True, kw_only=True):
    """Values that cannot be right; `keys` are their names at `where`.

    `options` are the settings of wnm, all of which (`joined` by and) or any of which (by or) are to be given.
    `defaults` are wnm's, which would stand in for them, as texts by name; without any only values given by hand help.
    """

    keys: tuple[str, ...]
    where: str
    why: str
    options: tuple[str, ...]
    defaults: Mapping[str, str]
    joined: str = " and "

    def __str__(self) -> str:
        options = self.joined.join(map(by_hand, self.options))
        texts = ", ".join(f"{name} {text or 'none'}" for name, text in self.defaults.items())
        either = f", or --accept_defaults for {texts}" if texts else ""
        return f"{self.where}: {self.why}; give {options}{either}"


class FoundSettings(Struct, frozen=True, kw_only=True):
    """All settings that were found.

    `given` holds canonical texts for wnm's settings by name. What is `wrong` is not in it: wnm's defaults apply.
    `notes` are lines for people. `teardown_pending` says that the next run of anm takes every node away.
    """

    given: Mapping[str, str]
    unknown: tuple[UnknownSetting, ...]
    wrong: tuple[WrongSetting, ...]
    notes: tuple[str, ...]
    teardown_pending: bool = False

    def blocking(self, accept_defaults: bool) -> tuple[str, ...]:
        """A line on each thing that has to be decided before anything can be taken over; empty if nothing is."""
        unknown = (str(each) for each in self.unknown if each.matters)
        return (*unknown, *(str(each) for each in self.wrong if not accept_defaults or not each.defaults))


class SettingsReader:
    """Collects what is found, one setting at a time; those named in `by_hand` are not looked for."""

    def __init__(self, host: Host, by_hand: Collection[str]) -> None:
        self.host = host
        self.by_hand = by_hand
        self.given: dict[str, str] = {}
        self.unknown: list[UnknownSetting] = []
        self.wrong: list[WrongSetting] = []
        self.notes: list[str] = []

    def give(self, name: str, text: str) -> None:
        """Keep a text as `--init` would; ValueError if it would refuse it."""
        self.given[name] = render(name, read(name, text, self.host))

    def default(self, name: str) -> Any:
        """wnm's own value."""
        return SPECS[name].default_for(self.host)

    def defaults(self, names: Sequence[str]) -> Mapping[str, str]:
        """The texts of wnm's own values, by name."""
        return {name: render(name, self.default(name)) for name in names}

    def contradiction(self, names: Sequence[str], origins: Mapping[str, str]) -> str | None:
        """Why some settings that were found cannot be together, everything else being as by default."""
        values: dict[str, Any] = {
            name: () if spec.default is REQUIRED else self.default(name) for name, spec in SPECS.items()
        }
        values |= {name: read(name, self.given[name], self.host) for name in names if name in self.given}
        try:
            check_together(Settings(**values), dict.fromkeys(SPECS, "default") | dict(origins))
        except BadInput as problem:
            return str(problem).partition(": give ")[0].partition("; give ")[0]
        return None

    def found(self, *, teardown_pending: bool = False) -> FoundSettings:
        """All that was collected."""
        return FoundSettings(
            given=self.given,
            unknown=tuple(self.unknown),
            wrong=tuple(self.wrong),
            notes=tuple(self.notes),
            teardown_pending=teardown_pending,
        )


def by_hand(name: str) -> str:
    """The option that gives a setting of wnm."""
    return f"--{name} {SPECS[name].form.shown}"
