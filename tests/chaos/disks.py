"""Faults of disks: another one in its place, full, read-only, without leave to run programs, without inodes."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.chaos.deeds import drawn_deed
from tests.chaos.episode import Episode
from tests.chaos.oracle import look
from tests.chaos.sandbox import Ran, mount, unmount


def stranger_mounted(episode: Episode) -> None:
    """Another disk is mounted where the nodes' disk was: empty, a stranger's, or another machine's with nodes on it."""
    what = episode.chance.choice(["an empty one", "a stranger's", "another machine's"])
    episode.tell(what)
    nodes = episode.sandbox.nodes
    other = episode.sandbox.home / "others" / f"disk-{episode.current.number}"
    other.mkdir()
    if what == "a stranger's":
        (other / ".Trash-1000").mkdir()
        (other / "photo.jpg").write_bytes(b"jpeg")
    elif what == "another machine's":
        shutil.copytree(nodes / episode.some_node(), other / "antnode0001")
        (other / "antnode0001" / "secret-key").write_bytes(episode.chance.randbytes(32))
    before = _contents(other)
    mount("--bind", other, nodes)
    try:
        for _ in range(2):
            episode.must_not_be_fine(episode.cycle(), f"{what} is mounted where the nodes' disk was")
        world = look(episode.sandbox.home)
        episode.must_keep_rows(world, f"{what} was mounted where the nodes' disk was")
        if _contents(other) != before:
            episode.find("wrong-disk", f"{what} was written to: {sorted(_contents(other) ^ before)[:5]}")
        episode.ask_doctor(f"{what} is mounted where the nodes' disk was")
    finally:
        unmount(nodes)


def _contents(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "record" not in str(path)}


def read_only(episode: Episode) -> None:
    """The nodes' disk is read-only for a while."""
    _remounted(episode, "ro", "rw")


def not_executable(episode: Episode) -> None:
    """From the nodes' disk no program may be run for a while."""
    _remounted(episode, "noexec", "exec")


def _remounted(episode: Episode, how: str, back: str) -> None:
    nodes = episode.sandbox.nodes
    try:
        mount("-o", f"remount,{how}", nodes)
    except subprocess.CalledProcessError:
        episode.current.struck = False
        episode.tell("it is busy")
        return
    name, words = drawn_deed(episode, among=("idle", "grow", "shrink", "heal one", "heal all", "upgrade"))
    episode.tell(f"{how}, {name}")
    try:
        for _ in range(episode.chance.randint(1, 3)):
            ran = episode.cycle(*words)
            episode.check(ran)
            _must_tell_of_missing(episode, ran, how)
    finally:
        mount("-o", f"remount,{back}", nodes)


def _must_tell_of_missing(episode: Episode, ran: Ran, why: str) -> None:
    """Exit 0 and no word of it, while fewer nodes run than are wanted, is a lie."""
    running = len(look(episode.sandbox.home).processes)
    wanted = min(episode.cap, len(episode.memory.keys))
    if ran.code == 0 and "held back" not in ran.err and running < wanted:
        episode.find("says-fine", f"exit 0, {running} of {episode.cap} nodes run, the disk is {why}: {ran}")


def nodes_full(episode: Episode) -> None:
    """The nodes' disk is full to the last byte; wnm may remove nodes then, as long as their keys are safe."""
    episode.memory.may_go = len(episode.memory.keys)
    _shrunk(episode, episode.sandbox.nodes, "size")


def database_full(episode: Episode) -> None:
    """The disk of the database is."""
    _shrunk(episode, episode.sandbox.home / "data", "size")


def others_full(episode: Episode) -> None:
    """That of the keys and logs is."""
    _shrunk(episode, episode.sandbox.home, "size")


def inodes_gone(episode: Episode) -> None:
    """The nodes' disk has no inode left."""
    episode.memory.may_go = len(episode.memory.keys)
    _shrunk(episode, episode.sandbox.nodes, "nr_inodes")


def _shrunk(episode: Episode, disk: Path, limit: str) -> None:
    """Make a disk no larger than what lies on it, for some cycles."""
    name, words = drawn_deed(
        episode, among=("idle", "grow", "shrink", "heal one", "heal all", "upgrade", "remove")
    )
    seen = os.statvfs(disk)
    if limit == "size":
        whole, used = seen.f_blocks * seen.f_frsize, (seen.f_blocks - seen.f_bfree) * seen.f_frsize
    else:
        whole, used = seen.f_files, seen.f_files - seen.f_ffree
    episode.tell(f"{disk.name}, {name}")
    mount("-o", f"remount,{limit}={used}", disk)
    try:
        for number in range(episode.chance.randint(1, 3)):
            ran = episode.cycle(*(words if number == 0 else ()))
            episode.check(ran)
            if disk != episode.sandbox.nodes:
                _must_tell_of_missing(episode, ran, "full")
    finally:
        mount("-o", f"remount,{limit}={whole}", disk)
