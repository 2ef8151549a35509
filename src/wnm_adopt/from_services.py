"""`wnm --init --import`: the nodes that the process manager already has, after the loss of the database."""

import os
import pwd
from collections import Counter
from collections.abc import Mapping, Sequence
from posixpath import dirname, join

import psutil
from msgspec.structs import replace

from wnm.app.context import Context
from wnm.core.host import SYSTEM_SERVICES, Host, default_manager, for_manager, node_folder
from wnm.core.node import Node
from wnm.core.settings import read
from wnm_adopt.anm_places import AnmPlaces, cron_tables, read_text, running_anms
from wnm_adopt.anm_plan import MARK, starts_anm
from wnm_adopt.folder import TakeoverFolder
from wnm_adopt.judge import Adoption, Judgement, judge, paths_of_interest
from wnm_adopt.looking import agents_in, look_at_folders, running_nodes, units_in
from wnm_adopt.plan import TakeoverPlan
from wnm_adopt.services import Circumstances, FoundService

SYSTEM_UNITS = "/etc/systemd/system"
USER_UNITS = ("/etc/systemd/user", "/run/systemd/user", "/usr/lib/systemd/user")


class FromServices:
    """Implements `wnm_adopt.taking_over.Source`."""

    name = "services"
    switches_off = False
    noted: Sequence[str] = ()

    def __init__(self, run: Context) -> None:
        self._run = run

    def look(self, folder: TakeoverFolder | None) -> TakeoverPlan:
        """Judge every unit, agent or process of the process manager."""
        manager = manager_wanted(self._run)
        storage = given_by_hand(self._run).get("node_storage")
        judgement = judged(services_of(manager, self._run.host, storage), self._run)
        settings, problems = settings_of(judgement.adopted, manager, given_by_hand(self._run))
        settings |= firewall_for(manager, self._run)
        if manager == SYSTEM_SERVICES and (alive := _live_anm(AnmPlaces())):
            problems.append(
                f"anm still looks after these nodes ({alive}): use --migrate_anm, or switch it off first"
            )
        if manager == SYSTEM_SERVICES and (other := _other_database(AnmPlaces(), self._run.database_path)):
            problems.append(
                f"the wnm with the database {other:.200} has taken over anm's nodes: go on with that one, or undo it "
                f"there with wnm --undo_migration; if it is gone for good, delete {AnmPlaces().data(MARK)}"
            )
        if not judgement.adopted:
            problems.append(f"{manager} has no node that can be taken over: for new ones leave out --import")
        return TakeoverPlan(
            source=f"{self.name} of {manager}",
            settings=settings,
            adopted=judgement.adopted,
            refused=judgement.refused,
            notes=tuple(_notes(judgement.adopted, settings)),
            problems=tuple(problems),
        )

    def running(self) -> Sequence[int]:
        """There is no other manager."""
        return ()

    def remembered(self, node: Node) -> Node:
        """Nothing else is known."""
        return node


def manager_wanted(run: Context) -> str:
    """The process manager as given, else the platform's."""
    given = given_by_hand(run).get("process_manager")
    return default_manager(run.host) if given is None else str(read("process_manager", given, run.host))


def given_by_hand(run: Context) -> Mapping[str, str]:
    """The settings that were given with this run, wherever, as texts by name."""
    given: dict[str, str] = {}
    for layer in reversed(run.layers):
        given.update(layer.values)
    return given


def services_of(manager: str, host: Host, storage: str | None) -> list[FoundService]:
    """What a process manager has of nodes; of running processes those in the storage folders (as text, if given)."""
    match manager:
        case "systemd":
            return units_in(SYSTEM_UNITS, manager, AnmPlaces().other_units)
        case "systemd+user":
            return units_in(join(host.home, ".config/systemd/user"), manager, USER_UNITS)
        case "launchd":
            return agents_in(join(host.home, "Library/LaunchAgents"))
        case _:
            return running_nodes(node_folders(storage, for_manager(host, manager)))


def node_folders(text: str | None, host: Host) -> tuple[str, ...]:
    """The storage folders that a text names, or the default one."""
    if text is None:
        return (node_folder(host),)
    folders = read("node_storage", text, host)
    return folders if isinstance(folders, tuple) else (node_folder(host),)


def judged(services: Sequence[FoundService], run: Context) -> Judgement:
    """Which of them can be taken over, by the look of their folders; their ports tell where wnm's begin."""
    around = circumstances(services, run)
    first = judge(services, around)
    found, _ = settings_of(first.adopted, manager_wanted(run), given_by_hand(run))
    return judge(
        services,
        replace(
            around,
            port_start=int(found.get("port_start", around.port_start)),
            metrics_port_start=int(found.get("metrics_port_start", around.metrics_port_start)),
        ),
    )


def circumstances(services: Sequence[FoundService], run: Context) -> Circumstances:
    """What the judgement of these services depends on, looked at now."""
    given = given_by_hand(run)

    def start(name: str, default: int) -> int:
        return int(str(read(name, given[name], run.host))) if name in given else default

    return Circumstances(
        facts=look_at_folders(paths_of_interest(services)),
        account=pwd.getpwuid(os.geteuid()).pw_name,
        homes=frozenset(entry.pw_dir for entry in pwd.getpwall()),
        port_start=start("port_start", 55),
        metrics_port_start=start("metrics_port_start", 13),
    )


def settings_of(
    adopted: Sequence[Adoption], manager: str, by_hand: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """The settings that the nodes tell, as texts by name, and what only the operator can say."""
    found = {"process_manager": manager, "node_cap": str(len(adopted))}
    problems = []
    storages = list(dict.fromkeys(dirname(each.root_dir) for each in adopted))
    if storages:
        found["node_storage"] = ",".join(storages)
    logs = Counter(dirname(each.log_dir) for each in adopted if not each.log_dir.startswith(each.root_dir))
    if logs:
        found["log_storage"] = logs.most_common(1)[0][0]
    wallets = list(dict.fromkeys(each.wallet for each in adopted))
    if len(wallets) == 1:
        found["rewards_address"] = wallets[0]
    elif wallets and "rewards_address" not in by_hand:
        problems.append(
            f"the nodes are paid to {len(wallets)} wallets, which new ones? give --rewards_address; "
            "nodes that are there keep theirs"
        )
    for name, ports in (
        ("port_start", [(each.id, each.port) for each in adopted]),
        ("metrics_port_start", [(each.id, each.metrics_port) for each in adopted]),
    ):
        blocks = {(port - number) // 1000 for number, port in ports if (port - number) % 1000 == 0}
        if len(blocks) == 1:
            found[name] = str(blocks.pop())
    kinds = Counter(each.kind for each in adopted)
    if kinds:
        found["node_kind"] = kinds.most_common(1)[0][0]
    return {name: text for name, text in found.items() if name not in by_hand}, problems


def firewall_for(manager: str, run: Context) -> dict[str, str]:
    """The setting of the firewall, if it is not given by hand: UFW where it is on and root looks after the nodes."""
    if "firewall" in given_by_hand(run) or not (run.host.is_root or manager == SYSTEM_SERVICES):
        return {}
    return {"firewall": "ufw"} if firewall_is_active() else {}


def _live_anm(places: AnmPlaces) -> str | None:
    """What starts anm, or the process that it is at this moment; None if nothing does."""
    text = read_text(places.cron)
    tables = {**cron_tables(places), **({places.cron: text} if text is not None else {})}
    for path, content in sorted(tables.items()):
        if starts_anm(content):
            return path
    return next((f"process {pid}" for pid in without_ourselves(running_anms(places.script))), None)


def _other_database(places: AnmPlaces, ours: str) -> str | None:
    """The database that a takeover from anm has written, if that is not the one that we write."""
    other = (read_text(places.data(MARK)) or "").strip()
    return other if other not in ("", ours) else None


def without_ourselves(pids: Sequence[int]) -> Sequence[int]:
    """Those that we do not run in: a shell that started us may have a name in its text and run it later."""
    above = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    return [pid for pid in pids if pid not in above]


def _notes(adopted: Sequence[Adoption], settings: Mapping[str, str]) -> list[str]:
    notes = []
    if "node_cap" in settings and adopted:
        notes.append(
            f"node_cap becomes {len(adopted)}, the nodes that are there: raise it to let wnm add nodes"
        )
    if any(not each.environment for each in adopted if each.manager == "setsid"):
        notes.append(
            "of the environment of running processes only ANT_…, EVM_… and RUST_… variables are kept"
        )
    return notes
