"""How one setting is declared: everything else about it is generated from its declaration."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field, replace
from typing import Any

from wnm.core.forms.form import Form
from wnm.core.host import Host

REQUIRED = object()
"""The default of a setting that has none: the operator has to give it."""

PREFIX = "WNM_"
"""What every environment name of wnm may start with; see `environment_names`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
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
    default: object | Callable[[Host], object],
    form: Form[Any],
    meaning: str,
    *,
    shown: str | None = None,
    persisted: bool = True,
    fixed: bool = False,
    generic: bool = False,
    aliases: tuple[str, ...] = (),
) -> Any:
    """Declare a setting as a dataclass field; `shown` says a default that depends on the host in words."""
    has_value = default is not REQUIRED and not callable(default)
    spec = Spec(
        name="",
        form=form,
        default=default,
        default_shown=shown if shown is not None else form.render(default),
        meaning=meaning,
        persisted=persisted,
        fixed=fixed,
        generic=generic,
        aliases=aliases,
    )
    metadata = {"spec": spec}
    return field(default=default, metadata=metadata) if has_value else field(metadata=metadata)


def specs_of(declared: Iterable[Field[Any]]) -> Mapping[str, Spec]:
    """The declarations of a dataclass by name, in order."""
    return {each.name: replace(each.metadata["spec"], name=each.name) for each in declared}
