"""What the status page is made of."""

from collections.abc import Mapping
from datetime import date
from functools import cached_property

from msgspec import Struct

from wnm.core.alerts import Episode
from wnm.core.timeline import Past
from wnm.views.doctor import Check, checks_of
from wnm.views.facts import NodeFacts, attention, facts_of
from wnm.views.material import Material


class Subject(Struct, frozen=True, kw_only=True, dict=True):
    """One machine at one moment.

    `machine_name` is what its operator calls it, `version` that of wnm. `alerts` are those that are open.
    `earned_today` is what each node earned since midnight by its name, `earned_by_day` what all of them did on each
    day, in UTC and in attos.
    """

    machine_name: str
    version: str
    material: Material
    past: Past
    alerts: tuple[Episode, ...] = ()
    earned_today: Mapping[str, int] = {}
    earned_by_day: Mapping[date, int] = {}

    @cached_property
    def checks(self) -> tuple[Check, ...]:
        """What the ledger and the last cycle say of the machine's health."""
        return checks_of(self.material)

    @cached_property
    def nodes(self) -> tuple[tuple[NodeFacts, str | None], ...]:
        """Every node, and why somebody may want to look at it."""
        observed_at = self.material.observed_at
        facts = [(each, facts_of(each, observed_at)) for each in self.material.nodes]
        return tuple((known, attention(each, known)) for each, known in facts)
