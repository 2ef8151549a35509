"""Keeps copies of every file that a takeover may touch in a folder, proven by checksum, and puts them back."""

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.codec import from_json, to_json
from wnm.core.errors import BadInput, NeedsOperator, WnmError
from wnm.system.files import make_private_dir, open_regular, write_file, write_private

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

    def after(self, step: Step, at: datetime) -> "Manifest":
        """The same once the step is done."""
        return self if self.has(step) else replace(self, steps=(*self.steps, (step, at)))

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
        stamp = manifest.began_at.strftime("%Y%m%dT%H%M%SZ")
        path = Path(data_folder, f"{PREFIX}{stamp}")
        make_private_dir(str(path / COPIES))
        path.chmod(0o700)
        folder = cls(str(path), manifest)
        folder.write()
        return folder

    def write(self, manifest: Manifest | None = None) -> None:
        """Return when the manifest is safe on disk."""
        self.manifest = manifest or self.manifest
        write_private(str(self.path / MANIFEST), to_json(self.manifest).encode())
        if os.geteuid() == 0:
            _guarded(str(self.path), lambda: _give_to_owner_of(self.path, MANIFEST))

    def done(self, step: Step, at: datetime) -> None:
        """Remember that a step is done."""
        self.write(self.manifest.after(step, at))

    def keep(self, paths: Iterable[str]) -> None:
        """Copy these as they are now, missing ones too, and read the copies back. Paths that are kept stay so."""
        known = {each.path for each in self.manifest.kept}
        fresh = [path for path in dict.fromkeys(paths) if path not in known]
        kept = [_keep(path, self._fresh_copy(path, place)) for place, path in enumerate(fresh, len(known))]
        _sync(self.path / COPIES)
        self.write(replace(self.manifest, kept=(*self.manifest.kept, *kept)))

    def note(self, paths: Iterable[str]) -> None:
        """Copy these, for people only: undoing says if they differ, and puts none of them back."""
        known = {each.path for each in self.manifest.noted}
        fresh = [path for path in dict.fromkeys(paths) if path not in known]
        noted = [_keep(path, self.path / COPIES / f"noted-{Path(path).name}") for path in fresh]
        _sync(self.path / COPIES)
        self.write(replace(self.manifest, noted=(*self.manifest.noted, *noted)))

    def differing(self) -> list[str]:
        """A line for each noted file whose content is another one now, with where its copy is."""
        return [
            f"{each.path} is not what it was: as it was, it is in {self.path / COPIES / (each.copy or '')}"
            for each in self.manifest.noted
            if each.sort is Sort.FILE and _content_sum(Path(each.path)) != each.sha256
        ]

    def keep_again(self) -> None:
        """Copy all as they are now that whoever wrote them has ended.

        What the takeover itself has changed meanwhile stays as it was kept.
        """
        ours = {*self.manifest.taken_out, *self.manifest.made}
        kept = [
            each
            if each.path in ours or each.sort is Sort.FOLDER
            else _keep(each.path, self._fresh_copy(each.path, place, "-last"))
            for place, each in enumerate(self.manifest.kept)
        ]
        _sync(self.path / COPIES)
        self.write(replace(self.manifest, kept=tuple(kept)))

    def _fresh_copy(self, path: str, number: int, mark: str = "") -> Path:
        return self.path / COPIES / f"{number:04d}{mark}-{Path(path).name}"

    def take_out(self, path: str) -> None:
        """Return when nothing has this path any more and its content is here. What is not kept stays where it is.

        What was changed since it was kept is kept anew; the earlier copy stays too.
        """
        kept = self._renewed(path)
        if kept is None or kept.sort is Sort.ABSENT:
            return
        if path not in self.manifest.taken_out:
            self.write(replace(self.manifest, taken_out=(*self.manifest.taken_out, path)))
        if not os.path.lexists(path):
            return
        self._check_copy(kept)
        if not _is_as_kept(kept):
            raise NeedsOperator(
                f"{path} was changed while it was taken over", remedy="run the same command again"
            )
        _guarded(path, lambda: self._move_out(path, kept))
        _sync(Path(path).parent)

    def _move_out(self, path: str, kept: Kept) -> None:
        """On the same disk the very file is moved: it comes back even if the disk is too full for a copy."""
        moved = self._moved(kept)
        if moved is not None:
            make_private_dir(str(moved.parent))
            with suppress(OSError):  # such as another disk, or a mount point in between
                Path(path).rename(moved)
                _sync(moved.parent)
                return
        Path(path).unlink()

    def _moved(self, kept: Kept) -> Path | None:
        return None if kept.copy is None else self.path / MOVED / kept.copy

    def _renewed(self, path: str) -> Kept | None:
        kept = self.manifest.kept_at(path)
        if kept is None or not os.path.lexists(path) or _is_as_kept(kept):
            return kept
        place = len(self.manifest.kept) + len(list((self.path / COPIES).iterdir()))
        fresh = _keep(path, self._fresh_copy(path, place, "-again"))
        self.write(
            replace(
                self.manifest,
                kept=tuple(fresh if each.path == path else each for each in self.manifest.kept),
            )
        )
        return fresh

    def is_back(self) -> bool:
        """Whether everything that was taken out is in its place again, as it was."""
        manifest = self.manifest
        kept = [manifest.kept_at(path) for path in manifest.taken_out]
        return all(each is not None and _is_as_kept(each) for each in kept)

    def missing(self) -> list[str]:
        """The files without which the old manager must not be started again, as far as they are not there."""
        return [path for path in self.manifest.needed if not os.path.lexists(path)]

    def take_ownership(self, path: str) -> None:
        """Return when the folder is ours and nobody else may write in it; whose it was is kept. Links are refused."""
        self.keep([path])
        descriptor = _guarded(path, lambda: os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW))
        try:
            os.fchown(descriptor, os.geteuid(), os.getegid())
            os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & ~0o022)
        finally:
            os.close(descriptor)

    def note_made(self, path: str) -> None:
        """Remember, before it is made, that a file is to be made."""
        if path not in self.manifest.made:
            self.write(replace(self.manifest, made=(*self.manifest.made, path)))

    def put(self, path: str, text: str) -> None:
        """Return when the file, readable by all, has this text; before that it is what it was."""
        _guarded(path, lambda: write_file(path, text.encode(), 0o644))

    def restore(self, kept: Kept) -> str | None:
        """Return when the path is again what it was, proven; None, or what was there instead and where that is now.

        A folder that is missing on the way is not made: NeedsOperator.
        """
        path = Path(kept.path)
        if _is_as_kept(kept):
            return None
        if kept.sort is Sort.FOLDER:
            _guarded(kept.path, lambda: _give_folder_back(kept))
            return None
        self._check_copy(kept)
        replaced = self._set_aside(path, kept)
        if kept.sort is Sort.FILE:
            _guarded(kept.path, lambda: self._put_back(kept))
        elif kept.sort is Sort.LINK:
            _guarded(kept.path, lambda: _link_back(path, kept))
        if path.parent.is_dir():
            _sync(path.parent)
        if not _is_as_kept(kept):
            raise NeedsOperator(
                f"{kept.path} is not what it was", remedy=f"see its copy in {self.path / COPIES}"
            )
        return replaced

    def _put_back(self, kept: Kept) -> None:
        moved = self._moved(kept)
        if moved is not None and _is_as_kept(replace(kept, path=str(moved))):
            with suppress(OSError):
                moved.rename(kept.path)
                return
        _copy_back(self.path / COPIES / (kept.copy or ""), kept)

    def content(self, path: str) -> bytes | None:
        """Return what a path held before; None if it was no file."""
        kept = self.manifest.kept_at(path)
        if kept is None or kept.sort is not Sort.FILE:
            return None
        self._check_copy(kept)
        return (self.path / COPIES / (kept.copy or "")).read_bytes()

    def _set_aside(self, path: Path, kept: Kept) -> str | None:
        if not os.path.lexists(path):
            return None
        folder = self.path / REPLACED
        make_private_dir(str(folder))
        aside = folder / f"{len(list(folder.iterdir())):04d}-{path.name}"
        _guarded(str(path), lambda: shutil.move(path, aside))
        how = "was not there before" if kept.sort is Sort.ABSENT else "had been changed since"
        return f"{path} {how}: that is now {aside}"

    def _check_copy(self, kept: Kept) -> None:
        if kept.sort is not Sort.FILE:
            return
        copy = self.path / COPIES / (kept.copy or "")
        if _content_sum(copy) != kept.sha256:
            raise NeedsOperator(
                f"{copy}, the copy of {kept.path}, is damaged",
                remedy="put it right from a backup of your own",
            )


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


def _keep(path: str, copy: Path) -> Kept:
    try:
        seen = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Kept(path=path, sort=Sort.ABSENT)
    known = Kept(
        path=path,
        sort=Sort.LINK,
        mode=stat.S_IMODE(seen.st_mode),
        user_id=seen.st_uid,
        group_id=seen.st_gid,
        modified_ns=seen.st_mtime_ns,
    )
    if stat.S_ISLNK(seen.st_mode):
        target = str(Path(path).readlink())
        return replace(known, target=target, sha256=_sum(target.encode()))
    if stat.S_ISDIR(seen.st_mode):
        return replace(known, sort=Sort.FOLDER)
    content = _guarded(path, lambda: _read(path))
    write_private(str(copy), content)
    if _content_sum(copy) != _sum(content):
        raise NeedsOperator(f"the copy of {path} is not what was copied", remedy="see to the disk")
    return replace(known, sort=Sort.FILE, copy=copy.name, sha256=_sum(content))


def _is_as_kept(kept: Kept) -> bool:
    """Whether the path is now what it was: sort, content, owner, mode; also its time, which cron goes by."""
    try:
        seen = os.lstat(kept.path)
    except (FileNotFoundError, NotADirectoryError):
        return kept.sort is Sort.ABSENT
    if kept.sort is Sort.FOLDER:
        whose = (stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid)
        return stat.S_ISDIR(seen.st_mode) and whose == (kept.mode, kept.user_id, kept.group_id)
    if kept.sort is Sort.LINK:
        return stat.S_ISLNK(seen.st_mode) and str(Path(kept.path).readlink()) == kept.target
    if kept.sort is Sort.ABSENT or not stat.S_ISREG(seen.st_mode):
        return False
    facts = (stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid, seen.st_mtime_ns)
    before = (kept.mode, kept.user_id, kept.group_id, kept.modified_ns)
    return facts == before and _content_sum(Path(kept.path)) == kept.sha256


def _give_to_owner_of(folder: Path, name: str) -> None:
    """Root may go on with what an account began; that has to be able to read it later."""
    whose = folder.stat()
    descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_nlink == 1:
            os.fchown(descriptor, whose.st_uid, whose.st_gid)
    finally:
        os.close(descriptor)


def _give_folder_back(kept: Kept) -> None:
    descriptor = os.open(kept.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(descriptor, kept.mode)
        os.fchown(descriptor, kept.user_id, kept.group_id)
    finally:
        os.close(descriptor)


def _link_back(path: Path, kept: Kept) -> None:
    path.symlink_to(kept.target or "")
    os.chown(path, kept.user_id, kept.group_id, follow_symlinks=False)
    os.utime(path, ns=(kept.modified_ns, kept.modified_ns), follow_symlinks=False)


def _copy_back(copy: Path, kept: Kept) -> None:
    target = Path(kept.path)
    # A name with a dot is nothing that cron or systemd would read.
    temporary = target.with_name(f".{target.name}.wnm-restored")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(copy.read_bytes())
        os.fchown(descriptor, kept.user_id, kept.group_id)
        os.fchmod(descriptor, kept.mode)
        os.utime(descriptor, ns=(kept.modified_ns, kept.modified_ns))
        os.fsync(descriptor)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _read(path: str) -> bytes:
    with open_regular(path, follow_link=False) as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise OSError(f"it is larger than {LARGEST_BYTES} bytes")
    return content


def _content_sum(path: Path) -> str | None:
    with suppress(OSError):
        return _sum(_read(str(path)))
    return None


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _guarded[T](path: str, work: Callable[[], T]) -> T:
    try:
        return work()
    except (OSError, WnmError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NeedsOperator(
            f"{path}: {reason}", remedy="see to that file, then run the same command again"
        ) from error
