"""Classifies the units that were found: those that are adopted as they are, and of every other one why not."""

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise, product

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.errors import shortened
from wnm.core.node import Node, NodeId, Status
from wnm.core.release import tidy_version
from wnm.node_kinds.kinds import KINDS
from wnm_adopt.conflicts import (
    conflicts,
    fitting_storages,
    folder_problem,
    is_below,
    is_general,
    path_problem,
    ports_of_others,
)
from wnm_adopt.discover import SETSID, SYSTEMD, FolderFacts, FoundUnit, NodeMemory, Surroundings, tidy_path
from wnm_adopt.understand import LARGEST_PORT, Understood, is_about_a_node, understand

ROOT = "root"
BECAUSE = "taken over"
NEVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
"""Stands in a row for the time of its writing until `row_of` puts that in."""

_WALLET = re.compile(r"0x[0-9a-fA-F]{40}")
_PEER_ID = re.compile(r"[A-Za-z0-9]{10,100}")
_LAST = 10**9
_GIVEN_TO_EVERY_NODE = (("--max-log-files", "3"), ("--max-archived-log-files", "3"))
_ELSEWHERE = "move it to a folder that is not in or around another storage folder, and say so in its unit"


class Adopted(Struct, frozen=True, kw_only=True):
    """A node that goes on as it was found, as its row.

    The row's `command` are the arguments after the program exactly as they were found, and so are name, ports,
    wallet, user and environment. `network` are the words that choose the payment network. `own` if wnm wrote its unit.
    """

    row: Node
    place: str
    network: tuple[str, ...]
    own: bool
    notes: tuple[str, ...]


class Refused(Struct, frozen=True, kw_only=True):
    """A unit that is left alone. `reason` is one line, and so is `remedy`, what would make it possible if anything
    would. The id and ports that it names cannot be given again.
    """

    name: str
    place: str
    reason: str
    remedy: str = ""
    id: NodeId | None = None
    port: int | None = None
    metrics_port: int | None = None


class Classified(Struct, frozen=True, kw_only=True):
    """All units that have to do with nodes, sorted by number, then name. `storages` are the folders to be added."""

    adopted: tuple[Adopted, ...]
    refused: tuple[Refused, ...]
    storages: tuple[str, ...]


def paths_of_interest(units: Sequence[FoundUnit]) -> tuple[str, ...]:
    """The paths that `classify` wants to know of, without those that it refuses by their looks alone."""
    found: set[str] = set()
    for each in map(understand, filter(is_about_a_node, units)):
        root = each.root_dir
        if root is None or path_problem(root, posixpath.basename(root), ()) is not None:
            continue
        found |= {root, posixpath.dirname(root)}
        if is_below(_program(each), root):
            found.add(_program(each))
    return tuple(sorted(found))


def classify(units: Sequence[FoundUnit], around: Surroundings) -> Classified:
    """Sort them into those that can be adopted and those that cannot. Units that are no nodes are left out."""
    read = [understand(each) for each in units if is_about_a_node(each)]
    # By what they are and not by the order in which they were found.
    read.sort(key=lambda each: (each.id or _LAST, each.unit.name, each.unit.place))
    able = {place for place, each in enumerate(read) if validate(each, None, around) is None}
    conflict = conflicts(read, around.facts, around.homes, able=able)
    problems = {place: validate(each, conflict.get(place), around) for place, each in enumerate(read)}
    roots = {
        place: each.root_dir or ""
        for place, each in enumerate(read)
        if problems[place] is None and not each.unit.recorded
    }
    storages, unfitting = fitting_storages(roots, around.storages_known)
    problems |= {place: (why, _ELSEWHERE) for place, why in unfitting.items()}
    taken = ports_of_others(read, able)
    written = [each.arguments.log_dir for each in read if each.arguments is not None and each.is_live]
    logs = Counter(tidy_path(each) for each in written if each is not None)
    adopted: list[Adopted] = []
    refused: list[Refused] = []
    for place, each in enumerate(read):
        problem = problems[place]
        if problem is None:
            adopted.append(_adopted(each, around, logs, taken.get(place)))
        else:
            refused.append(
                Refused(
                    name=each.unit.name,
                    place=each.unit.place,
                    reason=problem[0],
                    remedy=problem[1],
                    id=each.id,
                    port=each.port,
                    metrics_port=each.metrics_port,
                )
            )
    return Classified(adopted=tuple(adopted), refused=tuple(refused), storages=storages)


def validate(read: Understood, conflict: str | None, around: Surroundings) -> tuple[str, str] | None:
    """Return why a unit cannot be adopted, and the remedy, which is empty where the reason says it.

    None if it can. `conflict` is why it cannot be kept beside another one.
    """
    unit, arguments = read.unit, read.arguments
    if read.problem is not None or arguments is None:
        return read.problem or "", read.remedy
    root, wallet, where = read.root_dir or "", arguments.wallet, f"in {unit.place}"
    shown = "none" if wallet is None else shortened(wallet)
    has_wallet = _WALLET.fullmatch(wallet or "") is not None
    # Only the service manager of the whole system runs things as others.
    has_account = unit.manager == SYSTEMD or unit.user in (None, around.account)
    has_port = arguments.metrics_port is not None or _metrics_port(read, around) <= LARGEST_PORT
    see_to_it = f"see to that folder, or take {unit.place} away"
    checks = (
        (
            path_problem(root, read.name, around.homes),
            f"move its data to a folder called {read.name} that holds nothing else, and name that {where}",
        ),
        (_program_problem(read, around), f"copy the program to {root}, and name that copy {where}"),
        (
            None if has_wallet else f"it has no valid rewards address: {shown}",
            f"give --rewards-address {where}",
        ),
        (
            None
            if has_account
            else f"it runs as {unit.user}, and not as {around.account}, who could not keep it",
            f"run wnm as {unit.user}",
        ),
        (conflict, "decide which of the two is to stay, and take the other one away"),
        (_gone_problem(root, around), f"bring its folder back, or take {unit.place} away"),
        (_seen_problem(read, around), see_to_it),
        (
            None if has_port else "it has no metrics port, and its number is too large to be given one",
            f"give a port {where}",
        ),
    )
    return next(((why, remedy) for why, remedy in checks if why is not None), None)


def _program(read: Understood) -> str:
    return tidy_path((read.unit.argv or ("",))[0])


def _seen(path: str, around: Surroundings) -> FolderFacts | None:
    """Return the facts of a path, None if it could not be looked at."""
    facts = around.facts.get(path)
    return facts if facts is not None and facts.unseen is None else None


def _program_problem(read: Understood, around: Surroundings) -> str | None:
    program = _program(read)
    shown = f"its program {shortened((read.unit.argv or ('',))[0])}"
    if not is_below(program, read.root_dir or "") or ".." in program.split("/"):
        return f"{shown} is not a copy of its own: wnm could not upgrade it alone"
    facts = _seen(program, around)
    if facts is None or not facts.exists:
        return None
    if facts.is_link:
        return f"{shown} is a link and not a copy of its own: wnm could not upgrade it alone"
    return f"{shown} is a folder" if facts.is_folder else None


def _runs_as(read: Understood, around: Surroundings) -> str:
    return read.unit.user or (ROOT if read.unit.manager == SYSTEMD else around.account)


def _gone_problem(root: str, around: Surroundings) -> str | None:
    """An empty folder around it, or none, is where a disk is missing; one with others in it is not."""
    facts, holder = _seen(root, around), _seen(posixpath.dirname(root), around)
    if facts is None or facts.exists or holder is None or not (holder.folders or holder.files):
        return None
    return f"its root directory {root} is gone, though {holder.path} is there: nothing is left to adopt"


def _seen_problem(read: Understood, around: Surroundings) -> str | None:
    root = read.root_dir or ""
    facts = _seen(root, around)
    problem = None
    if facts is not None and facts.exists:
        problem = folder_problem(facts, _runs_as(read, around), read.name, around.homes)
    if problem is not None or not read.unit.recorded:
        return problem
    if facts is None:
        unseen = around.facts.get(root)
        return f"{root} cannot be seen: {unseen.unseen if unseen is not None else 'nobody looked'}"
    if not facts.exists:
        return f"there is no {root}"
    if facts.real != root:
        return f"{root} leads to {facts.real}"
    is_there = posixpath.basename(_program(read)) in facts.files
    return None if is_there else f"there is no node program in {root}"


def _metrics_port(read: Understood, around: Surroundings) -> int:
    """A kind that has no page still needs a number for one, and every number has one of its own."""
    return around.metrics_port_start * 1000 + (read.id or 0)


def _adopted(
    read: Understood, around: Surroundings, logs: Mapping[str, int], about_port: str | None
) -> Adopted:
    """A unit that `validate` has nothing against. `logs` says how many units write to a log folder."""
    unit, arguments, node_id = read.unit, read.arguments, read.id
    if arguments is None or node_id is None:
        raise ValueError(f"{unit} was not validated")
    memory = around.node_details.get(node_id, NodeMemory())
    log_dir, about_log = _log_folder(read, logs)
    row = Node(
        id=node_id,
        name=read.name,
        kind=read.kind or "",
        manager=unit.manager,
        root_dir=read.root_dir or "",
        log_dir=log_dir,
        program=_program(read),
        command=(unit.argv or ("",))[1:],
        port=arguments.port,
        metrics_port=arguments.metrics_port or _metrics_port(read, around),
        wallet=arguments.wallet or "",
        born=NEVER,
        environment=unit.environment,
        start_args=arguments.start_args,
        no_upnp=arguments.no_upnp,
        user=unit.user if unit.manager == SYSTEMD else None,
        status=Status.STOPPED,
        status_since=NEVER,
        because=BECAUSE,
        peer_id=memory.peer_id if _PEER_ID.fullmatch(memory.peer_id or "") else None,
        version=tidy_version(memory.version) if memory.version else None,
    )
    about = [each for each in (read.doubt, about_log) if each is not None]
    notes = (
        *unit.notes,
        *arguments.notes,
        *about,
        *_notes(read, around),
        *([about_port] if about_port else ()),
    )
    return Adopted(row=row, place=unit.place, network=arguments.network, own=unit.own, notes=notes)


def _log_folder(read: Understood, logs: Mapping[str, int]) -> tuple[str, str | None]:
    """The node's own log folder, and what to say of it."""
    root = read.root_dir or ""
    own = f"{root}/logs"
    named = read.arguments.log_dir if read.arguments is not None else None
    if named is None:
        return own, f"it names no log folder of its own: {own} stands for it"
    folder = tidy_path(named)
    plain = folder.startswith("/") and not {".", ".."} & set(folder.split("/")) and folder.isprintable()
    called_so = posixpath.basename(folder) == read.name and not is_general(folder, ())
    if plain and logs[folder] < 2 and folder != root and (is_below(folder, root) or called_so):
        return folder, None
    why = f"its log folder {shortened(folder)} is not its alone: wnm leaves that alone, {own} stands for it"
    return own, why


def _notes(read: Understood, around: Surroundings) -> Iterable[str]:
    """Remarks on its account, ports and folders that are worth knowing, a sentence each."""
    if _runs_as(read, around) == ROOT:
        yield "it runs as root: everything on the machine is open to it"
    usual = around.port_start * 1000 + (read.id or 0)
    port = read.arguments.port if read.arguments is not None else usual
    if usual > LARGEST_PORT:
        yield f"its number is outside the port range: wnm would have no port for it, it keeps {port}"
    elif port != usual:
        yield f"its port {port} is not the one that wnm would give it ({usual}), and stays"
    if read.arguments is not None and read.arguments.metrics_port is None:
        yield "it has no metrics port, and needs none"
    root = read.root_dir or ""
    facts = around.facts.get(root)
    if facts is None or facts.unseen is not None:
        why = facts.unseen if facts is not None else "it was not looked at"
        yield f"its root directory cannot be seen now: {why}"
    elif not facts.exists:
        yield "its root directory is not there, and nothing around it: is its disk mounted?"
    elif facts.real not in (None, root):
        yield f"its root directory is reached through a link and is {facts.real}"
    program = _seen(_program(read), around)
    if program is not None and not program.exists:
        yield f"its program {program.path} is missing"


def row_of(adopted: Adopted, *, now: datetime, born: datetime | None) -> Node:
    """The row to be written; nothing is known yet of whether it runs. `born` is the age of its identity, if known.

    A node whose unit wnm wrote itself, and a process without a unit, which has nothing but its command line, are wnm's
    own again if wnm makes the same command line; else they stay with the one that was found.
    """
    row = adopted.row
    row = replace(row, born=born or now if row.born == NEVER else row.born, status_since=now)
    kind = KINDS[row.kind]
    environment = tuple(pair for pair in row.environment if pair != ("HOME", row.root_dir))
    for arguments in _possible_arguments(row.start_args) if adopted.own or row.manager == SETSID else ():
        made = replace(row, command=None, start_args=arguments, environment=environment)
        for supervised in (False, True):
            if kind.command_line(made, supervised=supervised) == (row.program, *(row.command or ())):
                return made
    return row


def _possible_arguments(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Arguments that may have been given for the node, if some of these words are what wnm gives to every node."""
    defaults = [pair for pair in _GIVEN_TO_EVERY_NODE if pair in pairwise(words)]
    for taken in product((False, True), repeat=len(defaults)):
        left = [word for word in words if word != "--stop-on-upgrade"]
        for pair, without in zip(defaults, taken, strict=True):
            if without:
                place = left.index(pair[0])
                del left[place : place + 2]
        yield tuple(left)
