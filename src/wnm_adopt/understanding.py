"""What a service means: which node it would be, and with which arguments."""

from msgspec import Struct

from wnm.core.suggest import shortened
from wnm.formats.systemd_reading import CUT_OFF
from wnm.node_kinds.forms import NETWORKS
from wnm.node_kinds.found import Claimed, NodeArguments, claimed_by, kind_of_command, read_arguments
from wnm.node_kinds.kinds import KINDS
from wnm_adopt.claims import Claim
from wnm_adopt.naming import NameFound, is_live, name_of
from wnm_adopt.root_rules import tidy_path
from wnm_adopt.services import FoundService


class Understood(Struct, frozen=True, kw_only=True):
    """A service with what its name and command line mean; `problem` is the first thing wrong with it.

    `root_dir` is tidy. It and `claimed` are also known of many that cannot be adopted.
    """

    service: FoundService
    named: NameFound
    claimed: Claimed
    kind: str | None = None
    doubt: str | None = None
    arguments: NodeArguments | None = None
    root_dir: str | None = None
    problem: str | None = None


def understand(service: FoundService) -> Understood:
    """What a service says of itself. Of one that cannot be adopted, as much as can be told."""
    argv = service.argv or ()
    claimed = claimed_by(argv)
    kind = kind_of_command(argv)
    found = None if kind is None else read_arguments(kind.name, argv, service.environment)
    problem = service.problem
    if problem is None and service.argv is None:
        problem = "its command line is not known"
    elif problem is None and kind is None:
        problem = f"its program {shortened(argv[0] if argv else '')} is no node program"
    elif problem is None and isinstance(found, str):
        problem = f"it {found}" + (f" ({kind.doubt})" if kind and kind.doubt else "")
    if CUT_OFF in service.notes and (problem is not None or not _is_whole(found)):
        problem = f"it is cut off within its command line{'' if problem is None else f': {problem}'}"
    root_dir = found.root_dir if isinstance(found, NodeArguments) else claimed.root_dir
    return Understood(
        service=service,
        named=name_of(service),
        claimed=claimed,
        kind=kind.name if kind else None,
        doubt=kind.doubt if kind else None,
        arguments=found if isinstance(found, NodeArguments) else None,
        root_dir=tidy_path(root_dir) if root_dir else None,
        problem=problem,
    )


def _is_whole(arguments: NodeArguments | str | None) -> bool:
    """Whether a command line ends as those of nodes do: in what chooses the payment network."""
    if not isinstance(arguments, NodeArguments) or not arguments.network:
        return False
    first = arguments.network[0]
    return first in NETWORKS or not first.startswith("evm-")


def claim_of(each: Understood) -> Claim | None:
    """What the service needs for itself; None for one that surely never runs."""
    if each.service.inert or not is_live(each.service):
        return None
    listens = each.kind is None or KINDS[each.kind].has_metrics
    return Claim(
        service=each.service,
        id=each.named.id,
        root_dir=each.root_dir,
        port=each.claimed.port,
        metrics_port=each.claimed.metrics_port if listens else None,
    )
