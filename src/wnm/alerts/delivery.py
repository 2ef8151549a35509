"""Delivers messages by webhooks, programs and Apprise, side by side, and waits for none longer than its time."""

import json
import logging
import queue
import re
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from http.client import HTTPException
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies

from msgspec import Struct

from wnm import __version__
from wnm.core.alerts import Channel, Event, Kind, Message, Severity
from wnm.core.errors import NeedsOperator, Transient, WnmError
from wnm.system.command import CommandFailed, run
from wnm.views.payload import picked

STEP = timedelta(seconds=8)
COMMAND_PATIENCE = timedelta(seconds=10)
SECONDS_FOR_A_MESSAGE = 15.0
NO_ANSWER = f"no answer within {SECONDS_FOR_A_MESSAGE:g} s"
AGENT = f"wnm/{__version__}"
LONGEST_WORDS = 100
# The words of an address or an argument; shorter ones are no secrets, and would take the message apart.
_WORD = re.compile(r"[^\s/?&=:@,;#\"']{6,}")
INSTALL_APPRISE = "install it beside wnm: pipx inject wnm apprise, or pip install apprise where wnm is"


class Sent(Struct, frozen=True, kw_only=True):
    """The result of sending a message, by its place in the queue of its channel; `error` is None if it arrived."""

    channel: Channel
    place: int
    error: str | None


def hand_over(queues: Mapping[Channel, Sequence[Message]], host: str) -> Iterator[Sent]:
    """Send every channel its messages, in order, until one does not arrive; each result as soon as it is known.

    A channel that is silent for too long has failed, whatever becomes of the message after that.
    """
    _silence_libraries()
    results: queue.SimpleQueue[Sent] = queue.SimpleQueue()

    def in_turn(channel: Channel, messages: Sequence[Message]) -> None:
        for place, message in enumerate(messages):
            error = _failure(partial(_send, channel, message, host), _secrets(channel))
            results.put(Sent(channel=channel, place=place, error=error))
            if error is not None:
                return

    for queued in queues.items():
        threading.Thread(target=in_turn, args=queued, daemon=True).start()
    places = {channel: 0 for channel, messages in queues.items() if messages}
    patience = {channel: time.monotonic() + SECONDS_FOR_A_MESSAGE for channel in places}
    while places:
        late = min(places, key=lambda channel: patience[channel])
        try:
            sent = results.get(timeout=max(0.0, patience[late] - time.monotonic()))
        except queue.Empty:
            yield Sent(channel=late, place=places.pop(late), error=NO_ANSWER)
            continue
        if sent.channel not in places:
            continue
        places[sent.channel] += 1
        patience[sent.channel] = time.monotonic() + SECONDS_FOR_A_MESSAGE
        if sent.error is not None or places[sent.channel] == len(queues[sent.channel]):
            del places[sent.channel]
        yield sent


def begin_ping(url: str) -> Callable[[], str | None]:
    """Ask for the address of a dead-man switch; what comes back waits for the end: why it failed, else None."""
    _silence_libraries()
    results: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    until = time.monotonic() + SECONDS_FOR_A_MESSAGE
    work = partial(ask, url, STEP, headers={"User-Agent": AGENT})
    threading.Thread(target=lambda: results.put(_failure(work, (url,))), daemon=True).start()

    def wait() -> str | None:
        try:
            return results.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return NO_ANSWER

    return wait


def _silence_libraries() -> None:
    """Keep the libraries from logging: their lines may hold the address, and with it the token."""
    for name in ("apprise", "urllib3", "requests"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False


def _failure(work: Callable[[], None], secrets: Sequence[str]) -> str | None:
    """Return why the work failed, without the secrets, else None."""
    try:
        work()
    except WnmError as error:
        return without_secrets(str(error), secrets)
    except Exception as error:  # noqa: BLE001 - whatever a channel comes up with, the others get their messages
        return f"a bug in wnm or in what it uses: {type(error).__name__}"
    return None


def _send(channel: Channel, message: Message, host: str) -> None:
    """Return when the receiver has taken the message. Transient, or NeedsOperator, if it has not."""
    content = as_json(message, host).encode()
    match channel.kind:
        case Kind.WEBHOOK:
            headers = {
                "Content-Type": "application/json",
                "User-Agent": AGENT,
                "Idempotency-Key": message.id,
            }
            ask(channel.target[0], STEP, body=content, headers=headers)
        case Kind.COMMAND:
            try:
                run(channel.target, COMMAND_PATIENCE, stdin_bytes=content)
            except CommandFailed as error:
                # The error itself names all arguments, and they may be secret.
                if error.code is None:
                    raise Transient(str(error).rpartition(": ")[2]) from None
                said = error.stderr.strip().splitlines()
                words = _plain(without_secrets(said[-1], _secrets(channel))) if said else ""
                raise Transient(f"it ended with code {error.code}{f': {words}' if words else ''}") from None
        case Kind.APPRISE:
            _notify(channel.target[0], message, host)


def as_json(message: Message, host: str) -> str:
    """One object in ASCII.

    `{"schema": 1, "id", "event": "start"|"end"|"test", "key", "subject", "severity": "warning"|"critical", "text",
    "remedy": text or null, "host", "since", "at"}`, times as ISO 8601 in UTC. An `id` that
    arrives twice is the same message twice.
    """
    what = picked(message, ("id", "event", "key", "subject", "severity", "text", "remedy"))
    return json.dumps({"schema": 1, **what, "host": host, **picked(message, ("since", "at"))})


def without_secrets(said: str, secrets: Sequence[str]) -> str:
    """Return a receiver's words without the parts of an address or of a program's arguments that they repeat."""
    words = {word for text in secrets for word in _WORD.findall(text)}
    # One of them may be the beginning of another.
    for word in sorted(words, key=lambda word: (-len(word), word)):
        said = said.replace(word, "…")
    return said


def _secrets(channel: Channel) -> Sequence[str]:
    """Return the secret parts of a channel: everything but the name of the program."""
    return channel.target[1:] if channel.kind is Kind.COMMAND else channel.target


def ask(
    url: str, timeout: timedelta, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> None:
    """Return when the server has answered with a code from 200 to 299: a POST of `body`, or a GET without one.

    `timeout` holds for each step, not for the whole: a server that drips can take longer. Redirects are not
    followed, since a POST would become a GET and a token in the address would reach somebody else. Proxies of the
    environment are used, and the certificates that the system trusts. Transient, in words that do not repeat the
    address, for everything else.
    """
    import requests
    from requests.utils import should_bypass_proxies

    trusted = ssl.get_default_verify_paths()
    try:
        # The login goes into a header; it may be a token alone.
        parts = urlsplit(url)
        login, _, place = parts.netloc.rpartition("@")
        address, token = urlunsplit(parts._replace(netloc=place)), b64encode(unquote(login).encode()).decode()
        with requests.Session() as session:
            # No login from ~/.netrc, no proxy and no certificates for other programs.
            session.trust_env = False
            if not should_bypass_proxies(address, no_proxy=None):
                proxies = getproxies()
                session.proxies = {name: proxies[name] for name in ("http", "https") if name in proxies}
            with session.request(
                "GET" if body is None else "POST",
                address,
                data=body,
                headers={**(headers or {}), **({"Authorization": f"Basic {token}"} if login else {})},
                timeout=timeout.total_seconds(),
                allow_redirects=False,
                stream=True,  # the rest of an answer is not worth waiting for
                verify=trusted.cafile or trusted.capath or True,
            ) as answer:
                code, reason = answer.status_code, _plain(answer.reason)
    except (OSError, ValueError) as error:  # every error of requests is an OSError
        raise Transient(_why(error)) from None
    if not 200 <= code < 300:
        hint = ": give the address that it leads to" if 300 <= code < 400 else ""
        raise Transient(f"it answers {code} {reason}{hint}".rstrip())


def _why(error: BaseException) -> str:
    """Return why a request failed, by the error at the bottom: those above it repeat the address."""
    if isinstance(error, ValueError):
        return "the address is not one that can be asked for"
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, HTTPException) and not isinstance(error, OSError):
        return f"it does not answer as a web server does ({type(error).__name__})"
    # Errors of TLS and of names have no text of the system's.
    words = error.strerror or error if isinstance(error, OSError) else type(error).__name__
    return f"it cannot be reached ({_plain(words)})"


def _plain(text: object) -> str:
    """Return a text on one line, shortened."""
    line = "".join(char if char.isprintable() else " " for char in str(text))
    return " ".join(line.split())[:LONGEST_WORDS]


def _notify(url: str, message: Message, host: str) -> None:
    try:
        import apprise
    except ImportError:
        raise NeedsOperator(
            "this address is one of Apprise, which is not installed", remedy=INSTALL_APPRISE
        ) from None
    receiver = apprise.Apprise()
    if not receiver.add(url):
        raise NeedsOperator("Apprise does not know such an address", remedy="see its list of services")
    kind = "failure" if message.severity is Severity.CRITICAL else "warning"
    kind = {Event.END: "success", Event.TEST: "info"}.get(message.event, kind)
    what = "over" if message.event is Event.END else message.severity.value
    remedy = [f"What to do: {message.remedy}"] if message.remedy else []
    body = "\n".join([message.text, *remedy, f"[{message.id}]"])
    title = f"wnm on {host}: {what}: {message.key}"
    if not receiver.notify(title=title, body=body, notify_type=kind, body_format="text"):
        raise Transient("Apprise could not deliver it")
