"""Handing messages over: webhooks, programs and Apprise, side by side, and none of them for longer than its time."""

import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

from msgspec import Struct

from wnm import __version__
from wnm.core.alerts.channels import Channel, Kind
from wnm.core.alerts.values import Event, Message, Severity
from wnm.core.errors import NeedsOperator, Transient, WnmError
from wnm.formats.alert_message import as_json, text, title
from wnm.system.command import CommandFailed, run
from wnm.system.http import ask

STEP = timedelta(seconds=8)
COMMAND_PATIENCE = timedelta(seconds=10)
SECONDS_FOR_A_MESSAGE = 15.0
AGENT = f"wnm/{__version__}"
LONGEST_WORDS = 100
# What an address or an argument is made of; shorter ones are no secrets, and would take apart what is said.
_WORD = re.compile(r"[^\s/?&=:@,;#\"']{6,}")
INSTALL_APPRISE = "install it beside wnm: pipx inject wnm apprise, or pip install apprise where wnm is"


class Sent(Struct, frozen=True, kw_only=True):
    """What became of a message, by its place in the queue of its channel; `error` is None if it arrived."""

    channel: Channel
    place: int
    error: str | None


def hand_over(queues: Mapping[Channel, Sequence[Message]], host: str) -> Iterator[Sent]:
    """Send every channel its messages, in order, until one does not arrive; each result as soon as it is known.

    A channel that is silent for too long has failed, whatever becomes of the message after that.
    """
    results: queue.SimpleQueue[Sent] = queue.SimpleQueue()
    for channel, messages in queues.items():
        threading.Thread(target=_in_turn, args=(channel, messages, host, results), daemon=True).start()
    places = {channel: 0 for channel, messages in queues.items() if messages}
    patience = {channel: time.monotonic() + SECONDS_FOR_A_MESSAGE for channel in places}
    while places:
        soonest = min(patience[channel] for channel in places)
        try:
            sent = results.get(timeout=max(0.0, soonest - time.monotonic()))
        except queue.Empty:
            late = next(channel for channel in places if patience[channel] == soonest)
            why = f"no answer within {SECONDS_FOR_A_MESSAGE:g} s"
            yield Sent(channel=late, place=places.pop(late), error=why)
            continue
        if sent.channel not in places:
            continue
        places[sent.channel] += 1
        patience[sent.channel] = time.monotonic() + SECONDS_FOR_A_MESSAGE
        if sent.error is not None or places[sent.channel] == len(queues[sent.channel]):
            del places[sent.channel]
        yield sent


def _in_turn(
    channel: Channel, messages: Sequence[Message], host: str, results: "queue.SimpleQueue[Sent]"
) -> None:
    for place, message in enumerate(messages):
        error = try_to_send(channel, message, host)
        results.put(Sent(channel=channel, place=place, error=error))
        if error is not None:
            return


def try_to_send(channel: Channel, message: Message, host: str) -> str | None:
    """Send one message; why it did not arrive, without the channel's secrets, else None."""
    try:
        send(channel, message, host)
    except WnmError as error:
        return without_secrets(str(error), _secrets(channel))
    except Exception as error:  # noqa: BLE001 - whatever a channel comes up with, the others get their messages
        return f"a bug in wnm or in what it uses: {type(error).__name__}"
    return None


def send(channel: Channel, message: Message, host: str) -> None:
    """Return when the receiver has taken the message. Transient, or NeedsOperator, if it has not."""
    match channel.kind:
        case Kind.WEBHOOK:
            headers = {
                "Content-Type": "application/json",
                "User-Agent": AGENT,
                "Idempotency-Key": message.id,
            }
            ask(channel.target[0], STEP, body=as_json(message, host).encode(), headers=headers)
        case Kind.COMMAND:
            _run(channel, as_json(message, host).encode())
        case Kind.APPRISE:
            _notify(channel.target[0], message, host)


def without_secrets(said: str, secrets: Sequence[str]) -> str:
    """What a receiver said, without what it repeats of an address or of the arguments of a program."""
    words = {word for text in secrets for word in _WORD.findall(text)}
    # One of them may be the beginning of another.
    for word in sorted(words, key=lambda word: (-len(word), word)):
        said = said.replace(word, "…")
    return said


def _secrets(channel: Channel) -> Sequence[str]:
    """What nobody may be told: all but the name of the program."""
    return channel.target[1:] if channel.kind is Kind.COMMAND else channel.target


def begin_ping(url: str) -> Callable[[], str | None]:
    """Ask for the address of a dead-man switch; what comes back waits for the end: why it failed, else None."""
    results: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    until = time.monotonic() + SECONDS_FOR_A_MESSAGE
    threading.Thread(target=lambda: results.put(_ping(url)), daemon=True).start()

    def wait() -> str | None:
        try:
            return results.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return f"no answer within {SECONDS_FOR_A_MESSAGE:g} s"

    return wait


def _ping(url: str) -> str | None:
    try:
        ask(url, STEP, headers={"User-Agent": AGENT})
    except Transient as error:
        return without_secrets(str(error), (url,))
    return None


def _run(channel: Channel, content: bytes) -> None:
    try:
        run(channel.target, COMMAND_PATIENCE, stdin_bytes=content)
    except CommandFailed as error:
        # The error itself names all arguments, and they may be secret.
        said = error.stderr.strip().splitlines()
        words = without_secrets(said[-1], _secrets(channel)) if said else ""
        last = "".join(char if char.isprintable() else " " for char in words)[:LONGEST_WORDS]
        why = str(error).rpartition(": ")[2] if error.code is None else f"it ended with code {error.code}"
        raise Transient(f"{why}: {last}" if last and error.code is not None else why) from None


def _notify(url: str, message: Message, host: str) -> None:
    import logging

    # What it logs may hold the address, and with it the token.
    for name in ("apprise", "urllib3", "requests"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    try:
        import apprise
    except ImportError:
        raise NeedsOperator(
            "this address is one of Apprise, which is not installed", remedy=INSTALL_APPRISE
        ) from None
    receiver = apprise.Apprise()
    if not receiver.add(url):
        raise NeedsOperator("Apprise does not know such an address", remedy="see its list of services")
    if not receiver.notify(
        title=title(message, host), body=text(message), notify_type=_type_of(message), body_format="text"
    ):
        raise Transient("Apprise could not deliver it")


def _type_of(message: Message) -> str:
    if message.event is Event.END:
        return "success"
    if message.event is Event.TEST:
        return "info"
    return "failure" if message.severity is Severity.CRITICAL else "warning"
