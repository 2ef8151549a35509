"""What may happen to a simulated machine in a test, besides the events of `wnm simulate`."""

from msgspec.structs import replace

from wnm_sim.world import World


def upgrade_itself(world: World, root_dir: str, version: str) -> None:
    """A node puts another version in the place of its program, and restarts on it if it runs."""
    world.folders[root_dir] = replace(world.folders[root_dir], version=version, changed_at=world.now)
    process = world.processes.get(root_dir)
    if process is not None:
        world.restart(process, version)


def mount(world: World, mount_point: str, mounted: bool) -> None:
    """A disk is put in or taken away, with all that lies on it."""
    world.disks[mount_point] = replace(world.disks[mount_point], mounted=mounted)


def heal(world: World) -> None:
    """Nothing fails by itself any more."""
    world.failing.clear()
    world.sick.clear()
    world.shuns.clear()
    world.flaws.clear()
