"""Readings that may hang: a disk that is gone, a name server that is silent."""

import threading
from collections.abc import Callable

from wnm.core.observation import Unseen


def read_with_timeout[T](read: Callable[[], T], seconds: float, *, what: str = "reading") -> T | Unseen:
    """What `read` returns, or Unseen when it fails with an OSError or is not done within `seconds`.

    `what` names the thing in the reason. A reading that hangs goes on in a daemon thread that nobody waits
    for, so `read` must change nothing. Every other exception is raised here.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(read())
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that asked
            errors.append(error)

    thread = threading.Thread(target=work, name=f"read {what}", daemon=True)
    thread.start()
    thread.join(seconds)
    if results:
        return results[0]
    if not errors:
        return Unseen(reason=f"{what}: no result within {seconds:g} s")
    if isinstance(errors[0], OSError):
        return Unseen(reason=f"{what}: {errors[0].strerror or errors[0]}")
    raise errors[0]
