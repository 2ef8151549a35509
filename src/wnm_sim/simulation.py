"""Plays minutes or weeks on a simulated machine: what wnm does with these settings while things go wrong."""

import random
from collections import Counter
from collections.abc import Callable

from msgspec import Struct

from wnm.core.node import Node
from wnm.core.settings import Settings
from wnm.views.actions import cycle_line
from wnm_sim.machine import SimulatedMachine, node_actions
from wnm_sim.world import GB, ROOT, World, new_world

DISK_BYTES = 500 * GB
MINUTES_BETWEEN_EVENTS = 45
"""On average; the first hour is left to wnm alone."""
FIRST_EVENT_MINUTE = 60

type Event = Callable[[World, random.Random], str]
"""Changes the machine and says how; "" where it could not."""


class Simulation(Struct, frozen=True, kw_only=True):
    """A whole run: how often each action was taken, the nodes at the end, and the minutes in which anything happened.

    A minute has its number, the event on the machine, and the reaction of wnm; "" for none.
    """

    seed: int
    cycles: int
    minutes: tuple[tuple[int, str, str], ...]
    counts: tuple[tuple[str, int], ...]
    nodes: tuple[Node, ...]


def run_simulation(settings: Settings, cycles: int, seed: int) -> Simulation:
    """`cycles` minutes of a machine. The same settings and seed always give the same story; nothing is touched."""
    world = new_world(seed, dict.fromkeys(settings.node_storage, ROOT), DISK_BYTES)
    machine = SimulatedMachine(world=world, settings=settings)
    chance = random.Random(seed)
    minutes: list[tuple[int, str, str]] = []
    counts: Counter[str] = Counter()
    for number in range(cycles):
        due = number >= FIRST_EVENT_MINUTE and chance.random() < 1 / MINUTES_BETWEEN_EVENTS
        event = chance.choice(_EVENTS)(world, chance) if due else ""
        cycle = machine.cycle()
        world.pass_time()
        if cycle.decision is None:
            continue
        counts.update(type(each).__name__ for each in node_actions(cycle.decision))
        reaction = ""
        conclusions = cycle.decision.conclusions
        if cycle.decision.actions or any(each.before.status is not each.after.status for each in conclusions):
            reaction = cycle_line(cycle.decision, cycle.outcomes or (), machine.ledger.nodes)
        if event or reaction:
            minutes.append((number, event, reaction))
    return Simulation(
        seed=seed,
        cycles=cycles,
        minutes=tuple(minutes),
        counts=tuple(sorted(counts.items())),
        nodes=machine.ledger.nodes,
    )


def render(simulation: Simulation) -> str:
    """The story as plain text: a line for each eventful minute, then what was done in all and what is left."""
    lines = [f"{simulation.cycles} cycles, a minute each, with seed {simulation.seed}", ""]
    for number, event, reaction in simulation.minutes:
        at = f"{number // 60:3d}:{number % 60:02d}"
        lines += [f"{at}  * {event}"] if event else []
        lines += [f"{at}  {reaction}"] if reaction else []
    lines += ["", "taken in all:"]
    lines += [f"  {name:<12} {count:5d}" for name, count in simulation.counts] or ["  no action"]
    lines += ["", "at the end:", f"  {'node':<12} {'status':<11} {'version':<10} {'failures':>8}  reason"]
    lines += [
        f"  {node.name:<12} {node.status:<11} {node.version or '-':<10} {node.failures:8d}  {node.because}"
        for node in simulation.nodes
    ] or ["  no node"]
    return "\n".join(lines) + "\n"


def _to_a_node(change: Callable[[World, str], None], told: str) -> Event:
    """The event that changes one of the running nodes; `told` has `{}` for its folder."""

    def event(world: World, chance: random.Random) -> str:
        if not world.processes:
            return ""
        root_dir = chance.choice(sorted(world.processes))
        change(world, root_dir)
        return told.format(root_dir)

    return event


def _lose(world: World, chance: random.Random) -> str:
    if len(world.folders) < 2:
        return ""
    root_dir = chance.choice(sorted(world.folders))
    world.lose(root_dir)
    world.crash(root_dir)
    return f"somebody deletes {root_dir}"


def _load(world: World, chance: random.Random) -> str:
    share = chance.choice([0.05, 0.05, 0.6, 0.95])
    world.busy_cores = share * world.cores
    return f"other programs now use {share:.0%} of all cores"


def _fill(world: World, chance: random.Random) -> str:
    share = chance.choice([0.1, 0.1, 0.72, 0.85])
    world.fill(ROOT, int(share * world.disks[ROOT].total_bytes))
    return f"other files now fill {share:.0%} of the disk"


def _release(world: World, chance: random.Random) -> str:
    major, minor, patch = (world.program or "0.4.0").split(".")
    world.program = f"{major}.{minor}.{int(patch) + 1}"
    return f"version {world.program} of the node program is there"


def _reboot(world: World, chance: random.Random) -> str:
    world.reboot()
    return "the machine restarts"


def _power_cut(world: World, chance: random.Random) -> str:
    steps = chance.randrange(12)
    world.steps_left = steps
    return f"wnm will be killed after {steps} more steps"


_crash = _to_a_node(World.crash, "the process of {} crashes")
_hang = _to_a_node(World.hang, "{} hangs: its process runs and does not answer")
_EVENTS: tuple[Event, ...] = (
    *(_crash, _crash, _hang, _lose, _load, _load, _fill, _release, _reboot, _power_cut),
)
"""Those that stand here twice are twice as frequent."""
