"""What a cycle is given to do while a fault is injected: growing, shrinking, upgrading, healing, actions by hand."""

from collections.abc import Mapping, Sequence

from tests.chaos.episode import MOST, Episode

# About how many such calls a cycle with each deed makes (`python -m tests.chaos --measure` tells them as they are).
CALLS: Mapping[str, int] = {
    "idle": 24,
    "grow": 75,
    "shrink": 45,
    "upgrade": 70,
    "heal one": 45,
    "heal all": 60,
    "restart": 40,
    "stop": 40,
    "remove": 80,
    "init": 60,
    "teardown": 120,
}
DEEDS = (
    "idle",
    "grow",
    "grow",
    "shrink",
    "shrink",
    "upgrade",
    "heal one",
    "heal all",
    "restart",
    "stop",
    "remove",
)


def deed(episode: Episode, name: str) -> tuple[object, ...]:
    """Give the next cycle something to do; returns its words beside the cap."""
    sandbox, memory = episode.sandbox, episode.memory
    match name:
        case "grow" | "shrink":
            return _change_cap(episode, 1 if name == "grow" else -1)
        case "upgrade":
            sandbox.offer(sandbox.version + 1)
        case "heal one":
            alive = episode.processes()
            if alive:
                sandbox.kill(alive[int(episode.chance.random() * len(alive))].pid)
        case "heal all":
            for process in episode.processes():
                sandbox.kill(process.pid)
        case "restart" | "stop":
            return f"--force_action={name}", f"--service_name={episode.some_node()}"
        case "remove":
            memory.may_go += 1
            return "--force_action=remove", f"--service_name={episode.some_node()}", "--confirm"
    return ()


def _change_cap(episode: Episode, by: int) -> tuple[object, ...]:
    if not 2 <= episode.cap + by <= MOST:
        by = -by
    episode.cap += by
    if by < 0:
        episode.memory.may_go += 1
    return ()


def drawn_deed(episode: Episode, *, among: Sequence[str] = DEEDS) -> tuple[str, tuple[object, ...]]:
    """One of the deeds, done so far that a cycle has it to do; its name and words."""
    name = episode.chance.choice(among)
    return name, deed(episode, name)


def drawn_number(episode: Episode, name: str) -> int:
    """The number of a call of a cycle with this deed."""
    return 1 + int(episode.chance.random() * CALLS[name])
