"""Finds the nodes that the process manager already has, for `wnm --init --import` after the loss of the database."""

import os
import pwd
from collections.abc import Mapping, Sequence
from posixpath import dirname, join

from msgspec.structs import replace

from wnm.app.context import Context
from wnm.core.backends import traits_of
from wnm.core.host import Host, default_manager, for_manager, node_folder
from wnm.core.settings import read
from wnm_adopt.anm_settings import (
    CRON,
    MARK,
    OTHER_UNITS,
    UNITS,
    cron_tables,
    read_text,
    running_anms,
    starts_anm,
)
from wnm_adopt.classify import Adopted, classify, paths_of_interest
from wnm_adopt.discover import (
    SETSID,
    SYSTEMD,
    SYSTEMD_USER,
    FoundUnit,
    Surroundings,
    agents_in,
    look_at_folders,
    running_nodes,
    units_in,
)
from wnm_adopt.plan import Source, TakeoverPlan, most_common
from wnm_adopt.takeover_folder import TakeoverFolder

USER_UNITS = ("/etc/systemd/user", "/run/systemd/user", "/usr/lib/systemd/user")


class FromServices(Source):
    """The units, agents or processes of the process manager."""

    name = "services"

    def __init__(self, run: Context) -> None:
        self._run = run

    def look(self, folder: TakeoverFolder | None) -> TakeoverPlan:
        """Classify every unit, agent or process of the process manager."""
        run, by_hand = self._run, given_by_hand(self._run)
        manager = manager_wanted(run)
        units = units_of(manager, run.host, by_hand.get("node_storage"))
        around = surroundings(units, run)
        told, _ = settings_of(classify(units, around).adopted, manager, by_hand)
        # The nodes' ports tell where wnm's begin.
        starts = {name: int(told[name]) for name in ("port_start", "metrics_port_start") if name in told}
        found = classify(units, replace(around, **starts))
        settings, problems = settings_of(found.adopted, manager, by_hand)
        settings |= firewall_for(manager, run)
        if traits_of(manager).system_services:
            tables = {**cron_tables(), CRON: read_text(CRON) or ""}
            alive = [path for path in sorted(tables) if starts_anm(tables[path])]
            alive += [f"process {pid}" for pid in running_anms()]
            if alive:
                problems.append(
                    f"anm still looks after these nodes ({alive[0]}): use --migrate_anm, or switch it off first"
                )
            other = (read_text(MARK) or "").strip()
            if other not in ("", run.database_path):
                problems.append(
                    f"the wnm with the database {other:.200} has taken over anm's nodes: go on with that one, or undo "
                    f"it there with wnm --undo_migration; if it is gone for good, delete {MARK}"
                )
        if not found.adopted:
            problems.append(f"{manager} has no node that can be taken over: for new ones leave out --import")
        notes = []
        if "node_cap" in settings and found.adopted:
            notes.append(
                f"node_cap becomes {len(found.adopted)}, the nodes that are there: raise it to let wnm add nodes"
            )
        if any(not each.row.environment for each in found.adopted if each.row.manager == SETSID):
            notes.append(
                "of the environment of running processes only ANT_…, EVM_… and RUST_… variables are kept"
            )
        return TakeoverPlan(
            source=f"{self.name} of {manager}",
            settings=settings,
            adopted=found.adopted,
            refused=found.refused,
            notes=tuple(notes),
            problems=tuple(problems),
        )


def manager_wanted(run: Context, found: str | None = None) -> str:
    """The process manager as given, else as `found`, else the platform's."""
    text = given_by_hand(run).get("process_manager") or found or default_manager(run.host)
    return str(read("process_manager", text, run.host))


def given_by_hand(run: Context) -> Mapping[str, str]:
    """The settings that were given with this run, wherever, as texts by name."""
    given: dict[str, str] = {}
    for layer in reversed(run.layers):
        given.update(layer.values)
    return given


def units_of(manager: str, host: Host, storage: str | None) -> list[FoundUnit]:
    """Return a process manager's units of nodes; of processes those in the storage folders (as text, if given)."""
    match manager:
        case "systemd":
            return units_in(UNITS, SYSTEMD, OTHER_UNITS, loaded=True)
        case "systemd+user":
            return units_in(join(host.home, ".config/systemd/user"), SYSTEMD_USER, USER_UNITS, loaded=True)
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


def surroundings(units: Sequence[FoundUnit], run: Context) -> Surroundings:
    """Return the other facts that decide whether these units can be adopted, as of now."""
    given = given_by_hand(run)
    starts = {
        name: int(str(read(name, given[name], run.host)))
        for name in ("port_start", "metrics_port_start")
        if name in given
    }
    around = Surroundings(
        facts=look_at_folders(paths_of_interest(units)),
        account=pwd.getpwuid(os.geteuid()).pw_name,
        homes=frozenset(entry.pw_dir for entry in pwd.getpwall()),
    )
    return replace(around, **starts)


def settings_of(
    adopted: Sequence[Adopted], manager: str, by_hand: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """The settings that the nodes tell, as texts by name, and what only the operator can say."""
    found = {"process_manager": manager, "node_cap": str(len(adopted))}
    problems = []
    rows = [each.row for each in adopted]
    if storages := list(dict.fromkeys(dirname(row.root_dir) for row in rows)):
        found["node_storage"] = ",".join(storages)
    if logs := most_common(dirname(row.log_dir) for row in rows if not row.log_dir.startswith(row.root_dir)):
        found["log_storage"] = logs
    wallets = list(dict.fromkeys(row.wallet for row in rows))
    if len(wallets) == 1:
        found["rewards_address"] = wallets[0]
    elif wallets and "rewards_address" not in by_hand:
        problems.append(
            f"the nodes are paid to {len(wallets)} wallets, which new ones? give --rewards_address; "
            "nodes that are there keep theirs"
        )
    for name, ports in (
        ("port_start", [(row.id, row.port) for row in rows]),
        ("metrics_port_start", [(row.id, row.metrics_port) for row in rows]),
    ):
        blocks = {(port - number) // 1000 for number, port in ports if (port - number) % 1000 == 0}
        if len(blocks) == 1:
            found[name] = str(blocks.pop())
    if kind := most_common(row.kind for row in rows):
        found["node_kind"] = kind
    return {name: text for name, text in found.items() if name not in by_hand}, problems


def firewall_for(manager: str, run: Context) -> dict[str, str]:
    """The setting of the firewall, if it is not given by hand: UFW where it is on and root looks after the nodes."""
    if "firewall" in given_by_hand(run) or not (run.host.is_root or traits_of(manager).system_services):
        return {}
    return {"firewall": "ufw"} if run.wiring.firewall_is_active() else {}
