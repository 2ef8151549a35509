"""The values that a takeover works with: a unit as it was found, and what is seen of the folders that it names."""

from collections.abc import Mapping

from msgspec import Struct, field

SYSTEMD = "systemd"
SYSTEMD_USER = "systemd+user"
LAUNCHD = "launchd"
SETSID = "setsid"


class FoundUnit(Struct, frozen=True, kw_only=True):
    """One unit of systemd, agent of launchd or running process, whoever it is from.

    `name` is what it is called there: the file name of a unit, the label of an agent, the node's name for a process;
    `place` is its file, or the process. `argv` is complete, program first. `user` is the account that it names, None
    for the one that its service manager belongs to. `problem` says why it cannot be used; it is a sentence that
    begins with `it`; `remedy` what can be done about that, empty for what can be done about any unit. `inert` if it
    surely never runs, such as a masked unit. `own` if wnm wrote it.
    """

    manager: str
    name: str
    place: str
    argv: tuple[str, ...] | None = None
    environment: tuple[tuple[str, str], ...] = ()
    user: str | None = None
    notes: tuple[str, ...] = ()
    problem: str | None = None
    remedy: str = ""
    inert: bool = False
    own: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.place})"


class FolderFacts(Struct, frozen=True, kw_only=True):
    """What is known of a path that a unit names.

    `unseen` says why it cannot be looked at, such as a disk that does not answer; then nothing else counts. `exists`
    is also true for a link that leads nowhere. `real` is where the path leads when all links are followed, None if
    that is not known. `owner` is the account that it belongs to. `folders` and `files` are the first names in it.
    """

    path: str
    exists: bool = True
    is_folder: bool = True
    is_link: bool = False
    real: str | None = None
    owner: str | None = None
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    unseen: str | None = None

    @property
    def is_seen(self) -> bool:
        """Whether it could be looked at, and is there."""
        return self.unseen is None and self.exists


class NodeMemory(Struct, frozen=True, kw_only=True):
    """What the old manager remembered of a node; nothing of it is relied on."""

    peer_id: str | None = None
    version: str | None = None


class Surroundings(Struct, frozen=True, kw_only=True):
    """What else decides whether a unit can be adopted.

    `facts` are those of the paths that units name, by path. New nodes get `port_start` and `metrics_port_start`
    thousand plus their number. `account` is the one that wnm runs as; `homes` are the home folders of all accounts.
    """

    facts: Mapping[str, FolderFacts]
    account: str
    port_start: int = 55
    metrics_port_start: int = 13
    node_details: Mapping[int, NodeMemory] = field(default_factory=dict)
    storages_known: tuple[str, ...] = ()
    homes: frozenset[str] = frozenset()
