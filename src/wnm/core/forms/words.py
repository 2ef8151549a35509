"""Names and words: hosts, users, versions, and the arguments and environment of nodes."""

import re
import shlex

from wnm.core.forms.form import Form, matching
from wnm.core.host import Host

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9.-]{1,253}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_USER_NAME = re.compile(r"(?!root$)[a-z_][a-z0-9_-]{0,31}")
_VERSION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){2}(?:-(?:alpha|beta|rc)(?:\.?[0-9]{1,9})?)?")
_COMMENT = re.compile(r"\s[;#]")
_UNSAFE = re.compile(r"([^\w@%+=:,./-])", re.ASCII)


def host_name() -> Form[str]:
    """A host name or an address."""
    return matching(_HOST_NAME, "a host name or an address, such as 127.0.0.1", "HOST")


def user_name() -> Form[str]:
    """The name of an unprivileged account."""
    return matching(_USER_NAME, "the name of an account other than root, in lower case", "USER")


def version() -> Form[str]:
    """A version as node programs write it; a leading `v` is dropped."""
    strict = matching(_VERSION, "a version such as 0.4.17 or 0.4.18-rc.1", "VERSION")
    return Form(
        parse=lambda text, host: strict.parse(text.removeprefix("v"), host),
        render=str,
        accepts=strict.accepts,
        shown=strict.shown,
    )


def arguments() -> Form[tuple[str, ...]]:
    """Arguments of a program, quoted as for a shell; no shell ever sees them."""
    return Form(
        parse=lambda text, host: tuple(_split(text)),
        render=lambda words: " ".join(map(_quote, words)),
        accepts="arguments, quoted as for a shell; empty for none",
        shown="'ARG …'",
        clearable=True,
    )


def variables() -> Form[tuple[tuple[str, str], ...]]:
    """Variables as `NAME=value` words, quoted as for a shell; no shell ever sees them."""

    def parse(text: str, host: Host) -> tuple[tuple[str, str], ...]:
        pairs = [word.partition("=") for word in _split(text)]
        for name, equals, _ in pairs:
            if not equals or not _NAME.fullmatch(name):
                raise ValueError(f"{name[:40]!r} is not of the form NAME=value")
        names = [name for name, _, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice} is in it twice")
        return tuple((name, value) for name, _, value in pairs)

    return Form(
        parse=parse,
        render=lambda pairs: " ".join(f"{name}={_quote(value)}" for name, value in pairs),
        accepts="NAME=value words, quoted as for a shell; empty for none",
        shown="'NAME=value …'",
        clearable=True,
    )


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        raise ValueError("a quote in it is not closed, or it ends in a backslash") from None


def _quote(word: str) -> str:
    # Inside quotes a config file would take blank and # for a comment in some places, so such words get
    # backslashes instead.
    return _UNSAFE.sub(r"\\\1", word) if _COMMENT.search(word) else shlex.quote(word)
