"""One look at everything: from what is remembered and the machine as it is to an Observation."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from posixpath import basename, dirname

from wnm.core.contracts import Clock, Firewall, ProcessManager
from wnm.core.node import Node, id_in_name
from wnm.core.observation import Claim, Observation
from wnm.core.recall import Recall
from wnm.core.settings import Settings
from wnm.node_kinds.kind import NodeKind
from wnm.observe.machine import StorageSeen, read_machine, read_storages
from wnm.observe.nodes import PROGRAM_PATIENCE, read_nodes
from wnm.sensors import host
from wnm.sensors.programs import read_program
from wnm.system.processes import ProcessTable


def survey(
    recall: Recall,
    settings: Settings,
    manager: ProcessManager,
    firewall: Firewall,
    kinds: Mapping[str, NodeKind],
    clock: Clock,
) -> Observation:
    """Look at the machine and all nodes. Reads only; whatever does not answer in its time is Unseen."""
    storages = read_storages(storage_folders(recall.nodes, settings))
    by_path = {each.storage.path: each for each in storages}
    machine = read_machine(recall.counters, storages, clock)
    nodes = read_nodes(recall.nodes, by_path, settings, manager, kinds, clock)
    rules = firewall.read()
    now = clock.now()
    return Observation(
        now=now,
        seed=secrets.randbits(62),
        rebooted=recall.boot_id is not None and recall.boot_id != machine.boot_id,
        machine=machine,
        nodes=nodes,
        storages=tuple(each.storage for each in storages),
        available=read_program(settings.antnode_path, recall.available, timeout=PROGRAM_PATIENCE),
        claims=(
            *_claimed_by_folders(storages),
            *_claimed_by_units(manager),
            *_claimed_by_processes(recall.nodes, settings, kinds.values()),
        ),
        bound_ports=host.bound_ports(_port_ranges(settings)),
        interrupted=recall.interrupted,
        remembered=recall.remembered,
        firewall=rules,
        utc_offset_seconds=(now.astimezone().utcoffset() or timedelta(0)).total_seconds(),
        machine_seed=recall.machine_seed,
        reservations=recall.reservations,
    )


def storage_folders(nodes: Iterable[Node], settings: Settings) -> Sequence[str]:
    """Every folder that holds nodes or may: the settings', then those of nodes from elsewhere."""
    return tuple(dict.fromkeys([*settings.node_storage, *(dirname(node.root_dir) for node in nodes)]))


def _port_ranges(settings: Settings) -> tuple[tuple[int, int], ...]:
    starts = (settings.port_start * 1000, settings.metrics_port_start * 1000)
    return tuple((start + 1, min(start + 9999, 65535)) for start in starts)


def _claimed_by_folders(storages: Iterable[StorageSeen]) -> Iterable[Claim]:
    """Ids whose folder is there, whether or not a row knows of it."""
    for each in storages:
        for name in sorted(each.names):
            node_id = id_in_name(name)
            if node_id is not None:
                yield Claim(id=node_id, by=f"the folder {each.storage.path}/{name}")


def _claimed_by_units(manager: ProcessManager) -> Iterable[Claim]:
    """Ids that units on this machine have, whoever wrote them."""
    for name, place in sorted(manager.claimed_names().items()):
        node_id = id_in_name(name)
        if node_id is not None:
            yield Claim(id=node_id, by=f"the unit {place}")


def _claimed_by_processes(
    nodes: Sequence[Node], settings: Settings, kinds: Iterable[NodeKind]
) -> Iterable[Claim]:
    """Ids that programs in our folders run under. Not looked for at the cap, where no id is given away.

    What runs elsewhere on the machine may have the same name; it claims no more than its ports.
    """
    if len(nodes) >= settings.node_cap:
        return
    flags = {kind.fingerprint("")[0] for kind in kinds}
    for (_, root_dir), processes in ProcessTable.read(flags).found.items():
        node_id = id_in_name(basename(root_dir))
        if node_id is not None and dirname(root_dir) in settings.node_storage:
            yield Claim(id=node_id, by=f"process {processes[0].pid}")
