"""Addresses that messages are sent to; they hold tokens, so no error repeats one."""

import re
from urllib.parse import urlsplit

from wnm.core.forms.form import Form
from wnm.core.host import Host

# Apprise addresses may hold commas themselves; one that begins the next address is followed by its scheme.
_BETWEEN = re.compile(r"\s*,\s*(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


def _web(text: str) -> str:
    try:
        parts = urlsplit(text)
        hostname, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("it is not an address") from None
    if parts.scheme.lower() not in ("http", "https") or not hostname or re.search(r"\s", text):
        raise ValueError("it has to begin with https:// or http:// and name a host")
    return text


def web_address() -> Form[str]:
    """An address that can be asked for by HTTP."""
    return Form(
        parse=lambda text, host: _web(text),
        render=str,
        accepts="an address that begins with https:// or http://",
        shown="URL",
    )


def message_addresses() -> Form[tuple[str, ...]]:
    """Webhooks (https://…, http://…) and addresses of Apprise (any other scheme), comma separated."""

    def parse(text: str, host: Host) -> tuple[str, ...]:
        if not text or text.lower() == "none":
            return ()
        addresses = tuple(dict.fromkeys(_BETWEEN.split(text)))
        for number, address in enumerate(addresses, 1):
            if not _ADDRESS.fullmatch(address):
                raise ValueError(f"number {number} of them is not of the form SCHEME://…")
            if address.lower().startswith(("http://", "https://")):
                _web(address)
        return addresses

    return Form(
        parse=parse,
        render=",".join,
        accepts="addresses such as https://HOST/PATH (a webhook) or of Apprise, comma separated; empty for none",
        shown="URL[,URL…]",
        clearable=True,
    )
