"""Settings that were found with another manager: what is given, and what a person has to decide."""

from collections.abc import Mapping

from msgspec import Struct

from wnm.core.settings import SPECS


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


def by_hand(name: str) -> str:
    """The option that gives a setting of wnm."""
    return f"--{name} {SPECS[name].form.shown}"
