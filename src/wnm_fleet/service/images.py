"""Fetches images in processes of their own, which outlive the command or the cycle that asked for them.

One process an image, which holds a lock on a file of that image while it works; the file says how the last attempt
ended. `python -m wnm_fleet.service.images FOLDER URL IMAGE` is that process.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from wnm.core.codec import from_json, to_json
from wnm.core.errors import BadInput, Transient, WnmError
from wnm.core.values import Moment, Value
from wnm_fleet.engine.contract import ImageNotFound, Progress

FORGET = timedelta(seconds=20)
"""An attempt that ended longer ago says nothing of the next: the image is fetched again."""
STEP_BYTES = 1 << 20


class Pull(Value, frozen=True, kw_only=True):
    """The last attempt to fetch an image: how far it came, and the error that ended it."""

    image: str
    at: Moment
    done_bytes: int = 0
    total_bytes: int = 0
    error: str | None = None
    is_final: bool = False


class BackgroundPulls:
    """Images that are fetched into the Docker at `url` by processes whose files lie in a folder."""

    def __init__(self, folder: Path, url: str | None, clock: Callable[[], datetime]) -> None:
        self._folder, self._url, self._now = folder, url, clock

    def want(self, image: str) -> WnmError | None:
        """See `wnm_fleet.service.sweep.Pulls`."""
        if self.is_busy(image):
            return None
        last = self.last(image)
        if last is not None and last.error is not None and self._now() - last.at < FORGET:
            self._file(image).unlink(missing_ok=True)
            return ImageNotFound(last.error) if last.is_final else Transient(last.error)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        subprocess.Popen(
            [sys.executable, "-m", __name__, str(self._folder), self._url or "", image],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        return None

    def last(self, image: str) -> Pull | None:
        """Return the attempt at hand, or the last one; None if there is none that is remembered."""
        try:
            return from_json(Pull, self._file(image).read_bytes())
        except (OSError, BadInput):
            return None

    def is_busy(self, image: str) -> bool:
        """Whether a process fetches it now."""
        try:
            with self._file(image).with_suffix(".lock").open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def fetch(self, image: str, pull: Callable[[str], "object"]) -> None:
        """Fetch an image in this process, unless another one does; what comes of it is in the image's file."""
        with self._file(image).with_suffix(".lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            self._note(Pull(image=image, at=self._now()))
            try:
                self._follow(image, pull)
            except WnmError as error:
                final = isinstance(error, ImageNotFound)
                self._note(Pull(image=image, at=self._now(), error=str(error), is_final=final))

    def _follow(self, image: str, pull: Callable[[str], "object"]) -> None:
        told = 0
        for step in pull(image):  # type: ignore[attr-defined]
            assert isinstance(step, Progress)
            if step.done_bytes - told >= STEP_BYTES or step.done_bytes == step.total_bytes:
                told = step.done_bytes
                self._note(
                    Pull(
                        image=image, at=self._now(), done_bytes=step.done_bytes, total_bytes=step.total_bytes
                    )
                )
        self._file(image).unlink(missing_ok=True)

    def _note(self, pull: Pull) -> None:
        """Say how far it is; where that cannot be written, the fetching goes on all the same."""
        new = self._file(pull.image).with_suffix(".new")
        with suppress(OSError):
            new.write_text(to_json(pull))
            os.replace(new, self._file(pull.image))  # noqa: PTH105

    def _file(self, image: str) -> Path:
        return self._folder / f"{hashlib.sha256(image.encode()).hexdigest()[:24]}.json"


def main(folder: str, url: str, image: str) -> None:
    """Fetch an image into the Docker at `url`, the default one where that is empty."""
    from datetime import UTC

    from wnm_fleet.engine.local import LocalEngine

    engine = LocalEngine(url or None)
    BackgroundPulls(Path(folder), url or None, lambda: datetime.now(UTC)).fetch(image, engine.pull)


if __name__ == "__main__":
    main(*sys.argv[1:4])
