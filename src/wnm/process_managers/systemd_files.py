"""Writes and deletes unit files and boot links of systemd, and tells ours from those of others."""

import os
import stat
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from wnm.core.contracts import Unit
from wnm.core.errors import NeedsOperator, Permanent, Transient
from wnm.formats.systemd_unit import (
    BOOT_TARGET,
    MARKER,
    SLICE,
    SLICE_TEXT,
    Scope,
    owner,
    service_name,
    unit_text,
)
from wnm.system.files import failing, make_private_dir, open_regular, write_file
from wnm.system.processes import holds
from wnm.system.systemd_units import all_drop_ins, loaded_properties

MOST_UNIT_BYTES = 4 * 1024 * 1024


class UnitFiles:
    """The folder that our units are written to, among those that systemd reads units from.

    Everything raises Transient when the disk does not do it. May be used from threads.
    """

    def __init__(self, folder: str, *, scope: Scope, search_path: tuple[str, ...]) -> None:
        self._folder = Path(folder)
        self._scope = scope
        self._links = self._folder / f"{BOOT_TARGET[scope]}.wants"
        self.folders: Sequence[str] = (str(self._folder), str(self._links))
        # On most machines /lib is a link to /usr/lib.
        distinct: dict[Path, Path] = {}
        for each in map(Path, (folder, *search_path)):
            distinct.setdefault(each.resolve(), each)
        self._elsewhere = tuple(distinct.values())[1:]
        self._slice = threading.Lock()

    def path(self, unit: Unit) -> Path:
        """Its file. Permanent if its name is more than a name."""
        return self._folder / service_name(unit)

    def is_ours(self, unit: Unit) -> bool:
        """Whether the file that wnm wrote for this very unit is there; False if there is none.

        Permanent if something else has its name in our folder.
        """
        path = self.path(unit)
        try:
            if path.is_symlink():
                masked = str(path.readlink()) == os.devnull
                why = "is masked" if masked else f"is a link to {path.readlink()}"
                raise Permanent(f"{path} {why}: it is not a unit that wnm wrote")
            with open_regular(str(path), follow_link=False) as file:
                content = file.read(MOST_UNIT_BYTES)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise Transient(f"cannot read {path}: {error.strerror}") from error
        whose = owner(content.decode(errors="replace"))
        if whose == unit.working_dir or (whose is None and unit.found and self._runs(content, unit)):
            return True
        if whose is None:
            raise Permanent(f"{path} is a unit that wnm did not write")
        raise Permanent(f"{path} is a unit that wnm wrote for {whose}, not for {unit.working_dir}")

    def _runs(self, content: bytes, unit: Unit) -> bool:
        """Whether a unit file that somebody else wrote runs this very unit, with what its drop-ins change."""
        from wnm.formats.systemd_reading import read_loaded, read_unit

        path = self.path(unit)
        found = read_unit(content, all_drop_ins(path, [str(path.parent)]), name=path.name)
        if found.argv is None and (properties := loaded_properties(path.name, of_user=self._scope == "user")):
            found = read_loaded(properties, found, str(path)) or found
        return found.argv is not None and holds(found.argv, unit.fingerprint)

    def is_as_found(self, unit: Unit) -> bool:
        """Whether its file is the one that was there before wnm."""
        return unit.found and self.is_ours(unit) and not _is_by_wnm(self.path(unit))

    def elsewhere(self, unit: Unit) -> Path | None:
        """A file of its name in another folder that systemd reads: none of ours is ever there."""
        paths = (folder / service_name(unit) for folder in self._elsewhere)
        return next(filter(os.path.lexists, paths), None)

    def place(self, unit: Unit) -> bool:
        """Write its file and make its log; True if the file is another one now, False if it was as it should be.

        Permanent, and nothing is changed, if something else has its name anywhere, or systemd cannot express it.
        NeedsOperator if somebody else could put something in the place of its log.
        """
        path = self.path(unit)
        ours = self.is_ours(unit)
        if ours and unit.found and not _is_by_wnm(path):
            return False
        behind_links = set()
        for each in (unit.argv[0], unit.working_dir, *unit.writable, *unit.read_only):
            with suppress(OSError, ValueError):
                behind_links.add(str(Path(each).resolve()))
        text = unit_text(unit, scope=self._scope, behind_links=behind_links).encode()
        if foreign := self.elsewhere(unit):
            raise Permanent(f"{foreign} is a unit that wnm did not write")
        if self._scope == "system":
            _require_way_of_our_own(unit.log_file)
        _make_log(unit.log_file)
        with failing(f"cannot write {path}"):
            if ours and path.read_bytes() == text:
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._slice:
            if not any(os.path.lexists(each / SLICE) for each in (self._folder, *self._elsewhere)):
                write_file(str(self._folder / SLICE), SLICE_TEXT.encode(), 0o644)
            write_file(str(path), text, 0o644)
        return True

    def delete(self, unit: Unit) -> bool:
        """Delete its file and boot link, and with the last one the slice; True if anything was there.

        Permanent, and nothing is changed, if something else has its name in our folder.
        """
        ours = self.is_ours(unit)
        linked = self.unlink_from_boot(unit)
        path = self.path(unit)
        try:
            with self._slice:
                path.with_name(f".{path.name}.new").unlink(missing_ok=True)
                if ours:
                    path.unlink(missing_ok=True)
                a_slice = self._folder / SLICE
                if not any(_is_by_wnm(each) for each in self._folder.glob("*.service")):
                    with suppress(FileNotFoundError):
                        if not a_slice.is_symlink() and a_slice.read_bytes() == SLICE_TEXT.encode():
                            a_slice.unlink()
        except OSError as error:
            raise Transient(f"cannot delete {error.filename or path}: {error.strerror}") from error
        return ours or linked

    def link_to_boot(self, unit: Unit) -> None:
        """Let it start with the machine."""
        link = self._links / service_name(unit)
        with failing(f"cannot write {link}"):
            self._links.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                link.symlink_to(self.path(unit))

    def unlink_from_boot(self, unit: Unit) -> bool:
        """Let it no longer start with the machine; True if it would have."""
        # One from before wnm may have been enabled for another target.
        links = self._folder.glob(f"*.wants/{service_name(unit)}") if unit.found else ()
        linked = False
        for link in {self._links / service_name(unit), *links}:
            with failing(f"cannot delete {link}"), suppress(FileNotFoundError, NotADirectoryError):
                link.unlink()
                linked = True
        return linked

    def claimed(self) -> dict[str, str]:
        """The names of all services that systemd could be asked for, and the file of each."""
        found: dict[str, str] = {}
        for folder in (self._folder, *self._elsewhere):
            names: list[str] = []
            with failing(f"cannot look into {folder}"), suppress(FileNotFoundError, NotADirectoryError):
                names = sorted(each.name for each in os.scandir(folder) if not each.is_dir())
            for name in names:
                if name.endswith(".service") and not name.startswith("."):
                    found.setdefault(name.removesuffix(".service"), str(folder / name))
        return found


def search_path(scope: Scope, *, home: str, runtime: str) -> tuple[str, ...]:
    """Return the folders in which systemd looks for units, the first place first, as systemd.unit(5) has it."""
    if scope == "system":
        config, volatile, data = ["/etc/systemd/system"], "/run/systemd", []
        shared = ["/run/systemd/system", "/run/systemd/system.attached"]
    else:
        config = [f"{home}/.config/systemd/user", "/etc/xdg/systemd/user", "/etc/systemd/user"]
        volatile = f"{runtime}/systemd"
        shared = [f"{runtime}/systemd/user", "/run/systemd/user"]
        data = [
            f"{place}/systemd/user" for place in (f"{home}/.local/share", "/usr/local/share", "/usr/share")
        ]
    return (
        f"{config[0]}.control",
        *(f"{volatile}/{name}" for name in (f"{scope}.control", "transient", "generator.early")),
        *config,
        *(["/etc/systemd/system.attached"] if scope == "system" else []),
        *shared,
        f"{volatile}/generator",
        *data,
        *(f"{place}/systemd/{scope}" for place in ("/usr/local/lib", "/usr/lib", "/lib")),
        f"{volatile}/generator.late",
    )


def _is_by_wnm(path: Path) -> bool:
    try:
        with open_regular(str(path), follow_link=False) as file:
            return file.read(len(MARKER)) == MARKER.encode()
    except OSError:
        return False


def _require_way_of_our_own(log_file: str) -> None:
    """systemd opens it as root at every start: whoever can put a link there could have any file written."""
    logs = Path(log_file).parent
    for folder in (logs.resolve(), *logs.resolve().parents, logs, *logs.parents):
        with suppress(FileNotFoundError):
            seen = folder.stat()
            free_for_all = seen.st_mode & stat.S_IWOTH and not seen.st_mode & stat.S_ISVTX
            if seen.st_uid != os.geteuid() or free_for_all:
                raise NeedsOperator(
                    f"systemd writes {log_file} as root, and others than root can change what lies in {folder}",
                    remedy=f"choose another --log_storage, or run: chown root {folder}; chmod o-w {folder}",
                )


def _make_log(path: str) -> None:
    """systemd opens it as root and follows links: it must be a file of its own before."""
    folder = Path(path).parent
    if not folder.is_dir():  # the folder of several logs has to stay as passable as it was made
        make_private_dir(str(folder))
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        seen = os.lstat(path)
        if not stat.S_ISREG(seen.st_mode) or seen.st_uid != os.geteuid():
            raise Permanent(
                f"{path} is not a plain file of ours: move it away, it is to become a log"
            ) from None
    except OSError as error:
        raise Transient(f"cannot write {path}: {error.strerror}") from error
