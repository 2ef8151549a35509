"""Who is first: nodes by the age of their identity."""

from collections.abc import Iterable

from wnm.core.lifecycle import runs
from wnm.core.node import Status
from wnm.core.observation import NodeSeen


def youngest_first(nodes: Iterable[NodeSeen]) -> list[NodeSeen]:
    """Most recent birth first; ties by highest id."""
    return sorted(nodes, key=lambda seen: (seen.node.born, seen.node.id), reverse=True)


def oldest_first(nodes: Iterable[NodeSeen]) -> list[NodeSeen]:
    """Earliest birth first; ties by lowest id."""
    return sorted(nodes, key=lambda seen: (seen.node.born, seen.node.id))


def removal_order(nodes: Iterable[NodeSeen]) -> list[NodeSeen]:
    """Whom a removal costs least: youngest stopped first, then youngest running."""
    ranked = youngest_first(nodes)
    stopped = [seen for seen in ranked if is_stopped(seen)]
    others = [seen for seen in ranked if not is_stopped(seen)]
    return stopped + others


def named(nodes: Iterable[NodeSeen]) -> str:
    """All their names for people, neighbouring numbers as a range: `antnode0002, antnode0004 to antnode0009`."""
    ids = sorted({each.node.id: each.node.name for each in nodes}.items())
    runs_of: list[list[tuple[int, str]]] = []
    for number, name in ids:
        if runs_of and runs_of[-1][-1][0] == number - 1:
            runs_of[-1].append((number, name))
        else:
            runs_of.append([(number, name)])
    texts = [
        f"{each[0][1]} to {each[-1][1]}" if len(each) > 2 else ", ".join(name for _, name in each)
        for each in runs_of
    ]
    return ", ".join(texts)


def is_stopped(seen: NodeSeen) -> bool:
    """Whether the node rests: held to be stopped, and no process seen that says otherwise."""
    return seen.node.status is Status.STOPPED and not runs(seen.reading)
