"""Declares one setting: everything else about it is generated from its declaration."""

from collections.abc import Callable, Mapping
from inspect import get_annotations
from typing import Any

from msgspec import NODEFAULT, Struct
from msgspec.structs import replace

from wnm.core.forms import Form
from wnm.core.host import Host

REQUIRED = object()
"""The default of a setting that has none: the operator has to give it."""

PREFIX = "WNM_"
"""What every environment name of wnm may start with; see `environment_names`."""


class Spec(Struct, frozen=True, kw_only=True):
    """One setting as declared.

    `default` is a value, a function of the host, or REQUIRED; `default_shown` is its text for people.
    `persisted` settings live in the database, the others last one run. `fixed` ones never change after --init.
    A `generic` name is also used by other software, so the environment counts only with the prefix.
    """

    name: str
    form: Form[Any]
    default: object
    default_shown: str
    meaning: str
    persisted: bool = True
    fixed: bool = False
    generic: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def depends_on_host(self) -> bool:
        """Whether another machine, account or moment would have another default."""
        return callable(self.default)

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its aliases."""
        return (self.name, *self.aliases)

    @property
    def environment_names(self) -> tuple[str, ...]:
        """The environment variables that give it, the strongest first."""
        prefixed = tuple(PREFIX + name.upper() for name in self.names)
        return prefixed if self.generic else (*prefixed, self.name.upper())

    def default_for(self, host: Host) -> object:
        """The value when nobody gives one. KeyError if the operator has to."""
        if self.default is REQUIRED:
            raise KeyError(self.name)
        return self.default(host) if callable(self.default) else self.default


def setting(
    form: Form[Any],
    meaning: str,
    *,
    by_host: Callable[[Host], object] | None = None,
    shown: str = "",
    persisted: bool = True,
    fixed: bool = False,
    generic: bool = False,
    aliases: tuple[str, ...] = (),
) -> Spec:
    """Declare a setting, as the note of its annotation; `by_host` makes its default, and `shown` says it in words.

    A field without a default and without `by_host` has to be given by the operator.
    """
    return Spec(
        name="",
        form=form,
        default=REQUIRED if by_host is None else by_host,
        default_shown=shown,
        meaning=meaning,
        persisted=persisted,
        fixed=fixed,
        generic=generic,
        aliases=aliases,
    )


def specs_of(settings: type[Struct]) -> Mapping[str, Spec]:
    """The declarations of a class of settings by name, in order, with the defaults that its fields have."""
    found = {}
    for name, declared in get_annotations(settings).items():
        (spec,) = declared.__metadata__
        default = _defaults(settings).get(name, spec.default)
        shown = spec.default_shown or ("" if default is spec.default else spec.form.render(default))
        found[name] = replace(spec, name=name, default=default, default_shown=shown)
    return found


def _defaults(settings: type[Struct]) -> Mapping[str, object]:
    names, values = settings.__struct_fields__, settings.__struct_defaults__
    given = zip(reversed(names), reversed(values), strict=False)
    return {name: value for name, value in given if value is not NODEFAULT}
