"""One request to a server out there, for which a whole answer is not worth waiting."""

import base64
from collections.abc import Mapping
from datetime import timedelta
from http.client import HTTPException
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from wnm.core.errors import Transient

LONGEST_REASON = 100


def ask(
    url: str, timeout: timedelta, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> None:
    """Return when the server has answered with a code from 200 to 299: a POST of `body`, or a GET without one.

    `timeout` holds for each step, not for the whole: a server that drips can take longer. Redirects are not
    followed, since a POST would become a GET and a token in the address would reach somebody else. Proxies of the
    environment are used. Transient, in words that do not repeat the address, for everything else.
    """
    # It takes a while to load, and hardly any run of wnm needs it.
    from urllib.error import HTTPError, URLError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class NoRedirects(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    try:
        address, login = _without_login(urlsplit(url))
        request = Request(address, data=body, headers={**login, **(headers or {})})
        with build_opener(NoRedirects()).open(request, timeout=timeout.total_seconds()):
            return
    except HTTPError as error:
        error.close()
        hint = ": give the address that it leads to" if 300 <= error.code < 400 else ""
        raise Transient(f"it answers {error.code} {_plain(error.reason)}{hint}".rstrip()) from None
    except URLError as error:
        raise Transient(_reason(error.reason)) from None
    except OSError as error:
        raise Transient(_reason(error)) from None
    except HTTPException as error:
        raise Transient(f"it does not answer as a web server does ({type(error).__name__})") from None
    except ValueError:
        raise Transient("the address is not one that can be asked for") from None


def _without_login(parts: SplitResult) -> tuple[str, dict[str, str]]:
    """The address without `user:password@`, and the header that says it instead."""
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return urlunsplit(parts), {}
    secret = base64.b64encode(unquote(login).encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {secret}"}


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, OSError):
        # Errors of TLS and of names have no text of the system's.
        return f"it cannot be reached ({_plain(error.strerror or error)})"
    return f"it cannot be reached ({_plain(error)})"


def _plain(text: object) -> str:
    """What a server said, on one line and not too much of it."""
    line = "".join(char if char.isprintable() else " " for char in str(text))
    return " ".join(line.split())[:LONGEST_REASON]
