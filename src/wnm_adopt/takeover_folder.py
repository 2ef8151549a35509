"""Keeps copies of every file that a takeover may touch in a folder, proven by checksum, and puts them back."""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.codec import from_json, to_json
from wnm.core.errors import BadInput, NeedsOperator, WnmError
from wnm.system.files import (
    OPEN_FOLDER,
    make_private_dir,
    open_regular,
    opened,
    replace_file,
    write_file,
    write_private,
)

FORMAT = 1
PREFIX = "takeover-"
MANIFEST = "manifest.json"
COPIES = "files"
REPLACED = "replaced"
MOVED = "moved"
LARGEST_BYTES = 64 * 1024 * 1024


class Step(StrEnum):
    """The steps in their order; a takeover that was interrupted goes on after the last that is done."""

    BACKED_UP = "backed up"
    DISABLED = "its manager is switched off"
    QUIET = "its manager has ended"
    WRITTEN = "the database is written"
    VERIFIED = "the nodes were looked at"


class Sort(StrEnum):
    """The sort of file that a path was before the takeover."""

    FILE = "file"
    LINK = "link"
    FOLDER = "folder"
    ABSENT = "absent"


class Kept(Struct, frozen=True, kw_only=True):
    """A path as it was: the name of its copy in the takeover's folder, its checksum, and what a copy does not have.

    `sha256` is that of its content, for a link of its target. `modified_ns` is its time of modification.
    """

    path: str
    sort: Sort
    copy: str | None = None
    sha256: str | None = None
    target: str | None = None
    mode: int = 0
    user_id: int = 0
    group_id: int = 0
    modified_ns: int = 0


class Manifest(Struct, frozen=True, kw_only=True):
    """One takeover.

    `source` is what was taken over from, `database` the database that it writes. `kept` are the paths as they were;
    those in `taken_out` are moved into the takeover's folder, so that nothing starts from them; those in `made` were
    made anew. `units` are the names of the nodes that were adopted.
    `absent_before` are the folders and accounts that the machine lacked, `running` the nodes that ran. Without the
    files in `needed` the old manager must not be started again: it would take their absence for an order. From
    `undoing_at` on, nothing but undoing it to its end is left to be done. Of the paths in `noted` there are copies that
    are not put back: they are others' too.
    """

    format: int = FORMAT
    source: str
    database: str
    began_at: datetime
    kept: tuple[Kept, ...] = ()
    taken_out: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    absent_before: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    noted: tuple[Kept, ...] = ()
    undoing_at: datetime | None = None
    steps: tuple[tuple[Step, datetime], ...] = ()
    undone_at: datetime | None = None

    def has(self, step: Step) -> bool:
        """Whether this step is done."""
        return any(done is step for done, _ in self.steps)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to be done."""
        return self.undone_at is not None or self.has(Step.VERIFIED)

    def kept_at(self, path: str) -> Kept | None:
        """The path as it was, if it was kept."""
        return next((each for each in self.kept if each.path == path), None)


class TakeoverFolder:
    """One folder with its manifest. Everything that cannot be written or read is NeedsOperator, naming the path."""

    def __init__(self, path: str, manifest: Manifest) -> None:
        self.path = Path(path)
        self.manifest = manifest

    @classmethod
    def create(cls, data_folder: str, manifest: Manifest) -> "TakeoverFolder":
        """A new one, named after the moment at which it began."""
        path = Path(data_folder, f"{PREFIX}{manifest.began_at:%Y%m%dT%H%M%SZ}")
        make_private_dir(str(path / COPIES))
        path.chmod(0o700)
        folder = cls(str(path), manifest)
        folder.write()
        return folder

    def write(self, **changes: Any) -> None:
        """Return when the manifest, with these values changed, is safe on disk."""
        self.manifest = replace(self.manifest, **changes)
        write_private(str(self.path / MANIFEST), to_json(self.manifest).encode())
        if os.geteuid() == 0:
            # Root may go on with what an account began; that has to be able to read it later.
            whose = self.path.stat()
            with (
                _guarded(str(self.path)),
                opened(self.path / MANIFEST, os.O_RDONLY | os.O_NOFOLLOW) as descriptor,
            ):
                if os.fstat(descriptor).st_nlink == 1:
                    os.fchown(descriptor, whose.st_uid, whose.st_gid)

    def done(self, step: Step, at: datetime) -> None:
        """Remember that a step is done."""
        if not self.manifest.has(step):
            self.write(steps=(*self.manifest.steps, (step, at)))

    def keep(self, paths: Iterable[str]) -> None:
        """Copy these as they are now, missing ones too, and read the copies back. Paths that are kept stay so."""
        known = self.manifest.kept
        fresh = [path for path in dict.fromkeys(paths) if self.manifest.kept_at(path) is None]
        kept = [self._keep(path, f"{place:04d}") for place, path in enumerate(fresh, len(known))]
        self.write(kept=(*known, *kept))

    def note(self, paths: Iterable[str]) -> None:
        """Copy these, for people only: undoing says if they differ, and puts none of them back."""
        known = {each.path for each in self.manifest.noted}
        noted = [self._keep(path, "noted") for path in dict.fromkeys(paths) if path not in known]
        self.write(noted=(*self.manifest.noted, *noted))

    def keep_again(self) -> None:
        """Copy all as they are now that whoever wrote them has ended.

        What the takeover itself has changed meanwhile stays as it was kept.
        """
        ours = {*self.manifest.taken_out, *self.manifest.made}
        kept = list(self.manifest.kept)
        for place, each in enumerate(kept):
            if each.path not in ours and each.sort is not Sort.FOLDER:
                kept[place] = self._keep(each.path, f"{place:04d}-last")
        self.write(kept=tuple(kept))

    def differing(self) -> list[str]:
        """A line for each noted file whose content is another one now, with where its copy is."""
        return [
            f"{each.path} is not what it was: as it was, it is in {self._copy(each)}"
            for each in self.manifest.noted
            if each.sort is Sort.FILE and _content_sum(each.path) != each.sha256
        ]

    def take_out(self, path: str) -> None:
        """Return when nothing has this path any more and its content is here. What is not kept stays where it is.

        What was changed since it was kept is kept anew; the earlier copy stays too. On the same disk the very file is
        moved: it comes back even if the disk is too full for a copy.
        """
        kept = self.manifest.kept_at(path)
        if kept is not None and os.path.lexists(path) and not _is_as_kept(kept):
            place = len(self.manifest.kept) + len(list((self.path / COPIES).iterdir()))
            kept = self._keep(path, f"{place:04d}-again")
            self.write(kept=tuple(kept if each.path == path else each for each in self.manifest.kept))
        if kept is None or kept.sort is Sort.ABSENT:
            return
        if path not in self.manifest.taken_out:
            self.write(taken_out=(*self.manifest.taken_out, path))
        if not os.path.lexists(path):
            return
        self._check_copy(kept)
        if not _is_as_kept(kept):
            raise NeedsOperator(
                f"{path} was changed while it was taken over", remedy="run the same command again"
            )
        with _guarded(path):
            make_private_dir(str(self.path / MOVED))
            try:
                Path(path).rename(self.path / MOVED / (kept.copy or ""))
                _sync(self.path / MOVED)
            except OSError:  # such as a link, another disk, or a mount point in between
                Path(path).unlink()
        _sync(Path(path).parent)

    def is_back(self) -> bool:
        """Whether everything that was taken out is in its place again, as it was."""
        kept = self.kept_out()
        return len(kept) == len(self.manifest.taken_out) and all(map(_is_as_kept, kept))

    def kept_out(self) -> list[Kept]:
        """The files that were taken out, as they were."""
        return [kept for path in self.manifest.taken_out if (kept := self.manifest.kept_at(path)) is not None]

    def require_needed(self) -> None:
        """NeedsOperator if the old manager must not be started: a file is gone whose absence is an order to it."""
        for path in self.manifest.needed:
            if not os.path.lexists(path):
                raise NeedsOperator(
                    f"{path} is gone: with its manager switched on again every node would be deleted, so it stays off",
                    remedy=f"put {path} back (a copy is in {self.path}), then run wnm --undo_migration",
                )

    def give_back(self, at: datetime) -> None:
        """Put back what was taken out and take away what was made, as if nothing had been.

        NeedsOperator, and the old manager stays switched off, if it would take the machine for one to be torn down.
        """
        self.require_needed()
        made = [each for each in self.manifest.kept if each.path in self.manifest.made]
        problems: list[WnmError] = []
        for kept in [*(each for each in self.manifest.kept if each.sort is Sort.FOLDER), *made]:
            try:
                self.restore(kept)
            except WnmError as error:  # such as a full disk: the nodes need a manager all the same
                problems.append(error)
        for kept in self.kept_out():
            self.restore(kept)
        if problems:
            raise problems[0]
        self.write(undone_at=at)

    def take_ownership(self, path: str) -> None:
        """Return when the folder is ours and nobody else may write in it; whose it was is kept. Links are refused."""
        self.keep([path])
        with _guarded(path), opened(path, OPEN_FOLDER | os.O_NOFOLLOW) as descriptor:
            os.fchown(descriptor, os.geteuid(), os.getegid())
            os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & ~0o022)

    def make(self, path: str, text: str) -> None:
        """Return when the file, readable by all, has this text; before that it is what it was, and that is kept."""
        self.keep([path])
        if path not in self.manifest.made:
            self.write(made=(*self.manifest.made, path))
        with _guarded(path):
            write_file(path, text.encode(), 0o644)

    def restore(self, kept: Kept) -> str | None:
        """Return when the path is again what it was, proven; None, or what was there instead and where that is now.

        A folder that is missing on the way is not made: NeedsOperator.
        """
        path = Path(kept.path)
        if _is_as_kept(kept):
            return None
        if kept.sort is Sort.FOLDER:
            with _guarded(kept.path), opened(path, OPEN_FOLDER | os.O_NOFOLLOW) as descriptor:
                os.fchmod(descriptor, kept.mode)
                os.fchown(descriptor, kept.user_id, kept.group_id)
            return None
        self._check_copy(kept)
        replaced = self._set_aside(path, kept) if os.path.lexists(path) else None
        with _guarded(kept.path):
            if kept.sort is Sort.FILE:
                self._put_back(kept)
            elif kept.sort is Sort.LINK:
                path.symlink_to(kept.target or "")
                os.chown(path, kept.user_id, kept.group_id, follow_symlinks=False)
                os.utime(path, ns=(kept.modified_ns, kept.modified_ns), follow_symlinks=False)
        if path.parent.is_dir():
            _sync(path.parent)
        if not _is_as_kept(kept):
            raise NeedsOperator(
                f"{kept.path} is not what it was", remedy=f"see its copy in {self.path / COPIES}"
            )
        return replaced

    def _put_back(self, kept: Kept) -> None:
        moved = self.path / MOVED / (kept.copy or "")
        if _is_as_kept(replace(kept, path=str(moved))):
            with suppress(OSError):
                moved.rename(kept.path)
                return

        def fill(file: BinaryIO) -> None:
            file.write(self._copy(kept).read_bytes())
            file.flush()
            os.fchown(file.fileno(), kept.user_id, kept.group_id)
            os.utime(file.fileno(), ns=(kept.modified_ns, kept.modified_ns))

        replace_file(kept.path, fill, kept.mode)

    def content(self, path: str) -> bytes | None:
        """Return what a path held before; None if it was no file."""
        kept = self.manifest.kept_at(path)
        if kept is None or kept.sort is not Sort.FILE:
            return None
        self._check_copy(kept)
        return self._copy(kept).read_bytes()

    def _set_aside(self, path: Path, kept: Kept) -> str:
        folder = self.path / REPLACED
        make_private_dir(str(folder))
        aside = folder / f"{len(list(folder.iterdir())):04d}-{path.name}"
        with _guarded(kept.path):
            shutil.move(path, aside)
        how = "was not there before" if kept.sort is Sort.ABSENT else "had been changed since"
        return f"{path} {how}: that is now {aside}"

    def _copy(self, kept: Kept) -> Path:
        return self.path / COPIES / (kept.copy or "")

    def _check_copy(self, kept: Kept) -> None:
        if kept.sort is Sort.FILE and _content_sum(self._copy(kept)) != kept.sha256:
            raise NeedsOperator(
                f"{self._copy(kept)}, the copy of {kept.path}, is damaged",
                remedy="put it right from a backup of your own",
            )

    def _keep(self, path: str, mark: str) -> Kept:
        kept = _described(path)
        if kept.sort is not Sort.FILE:
            return kept
        with _guarded(path):
            content = _read(path)
        copy = self.path / COPIES / f"{mark}-{Path(path).name}"
        write_private(str(copy), content)
        if _content_sum(copy) != _sum(content):
            raise NeedsOperator(f"the copy of {path} is not what was copied", remedy="see to the disk")
        return replace(kept, copy=copy.name, sha256=_sum(content))


def takeovers(data_folder: str) -> list[TakeoverFolder]:
    """Those that a data folder holds, the newest last. NeedsOperator for a manifest that cannot be read.

    One in a folder that is shut to us is not ours: root made it.
    """
    found = []
    for path in sorted(Path(data_folder).glob(f"{PREFIX}*")):
        if path.is_symlink() or not os.access(path, os.X_OK) or not (path / MANIFEST).is_file():
            continue
        try:
            manifest = from_json(Manifest, (path / MANIFEST).read_bytes())
        except (BadInput, OSError) as error:
            raise NeedsOperator(
                f"{path / MANIFEST} cannot be read ({error})", remedy=f"move {path} away if it is of no use"
            ) from error
        found.append(TakeoverFolder(str(path), manifest))
    return found


def _described(path: str) -> Kept:
    """The path as it is now; of a file that cannot be read, or is no plain one, the checksum is None."""
    try:
        seen = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Kept(path=path, sort=Sort.ABSENT)
    known = Kept(
        path=path,
        sort=Sort.FILE,
        mode=stat.S_IMODE(seen.st_mode),
        user_id=seen.st_uid,
        group_id=seen.st_gid,
        modified_ns=seen.st_mtime_ns,
    )
    if stat.S_ISLNK(seen.st_mode):
        target = str(Path(path).readlink())
        return replace(known, sort=Sort.LINK, target=target, sha256=_sum(target.encode()))
    if stat.S_ISDIR(seen.st_mode):
        return replace(known, sort=Sort.FOLDER)
    return replace(known, sha256=_content_sum(path))


def _is_as_kept(kept: Kept) -> bool:
    """Whether the path is now what it was: sort, content, owner, mode; also a file's time, which cron goes by."""
    now = _described(kept.path)
    if kept.sort is Sort.LINK:
        return (now.sort, now.target) == (kept.sort, kept.target)
    ignored = {"modified_ns": kept.modified_ns} if kept.sort is Sort.FOLDER else {}
    return replace(now, copy=kept.copy, **ignored) == kept


def _sync(folder: Path) -> None:
    with opened(folder) as descriptor:
        os.fsync(descriptor)


def _read(path: str | Path) -> bytes:
    with open_regular(str(path), follow_link=False) as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise OSError(f"it is larger than {LARGEST_BYTES} bytes")
    return content


def _content_sum(path: str | Path) -> str | None:
    with suppress(OSError):
        return _sum(_read(path))
    return None


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def _guarded(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, WnmError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NeedsOperator(
            f"{path}: {reason}", remedy="see to that file, then run the same command again"
        ) from error
