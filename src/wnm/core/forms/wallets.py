"""Wallets: addresses, the names that stand for addresses, and weighted lists of both."""

import re

from wnm.core.forms.form import Form
from wnm.core.forms.numbers import whole
from wnm.core.host import Host
from wnm.core.values import Value

FAUCET = "0x00455d78f850b0358E8cea5be24d415E01E107CF"
"""The community's faucet: what `faucet` stands for."""

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_WORDS = ("faucet", "donate")
_WEIGHT = whole(1, 1_000_000)
_MOST_WALLETS = 100


class WeightedWallet(Value, frozen=True, kw_only=True):
    """An address, or the word `faucet` or `donate`, and how often it is drawn compared with the others."""

    name_or_address: str
    weight: int


def address() -> Form[str]:
    """One address, or `faucet` for the faucet's."""

    def parse(text: str, host: Host) -> str:
        return FAUCET if text.lower() == "faucet" else _address(text)

    return Form(
        parse=parse,
        render=str,
        accepts="0x and 40 hexadecimal digits, or faucet",
        shown="ADDRESS",
        addresses=lambda value: _with_checksum([value]),
    )


def wallets() -> Form[tuple[WeightedWallet, ...]]:
    """One wallet, or a list such as `0xA…:100,faucet:1,donate:10`; a weight that is left out is 1."""

    def parse(text: str, host: Host) -> tuple[WeightedWallet, ...]:
        parts = text.split(",")
        if len(parts) > _MOST_WALLETS:
            raise ValueError(f"it holds more than {_MOST_WALLETS} wallets")
        return tuple(_wallet(part.strip(), host) for part in parts)

    return Form(
        parse=parse,
        render=_render,
        accepts=(
            "0x and 40 hexadecimal digits, or donate, or faucet, or a list with weights from 1 to 1000000 "
            "such as 0x…:100,faucet:1,donate:10"
        ),
        shown="WALLETS",
        addresses=lambda value: _with_checksum([wallet.name_or_address for wallet in value]),
    )


def _wallet(text: str, host: Host) -> WeightedWallet:
    who, colon, weight = (part.strip() for part in text.partition(":"))
    name = who.lower() if who.lower() in _WORDS else _address(who)
    try:
        return WeightedWallet(name_or_address=name, weight=_WEIGHT.parse(weight, host) if colon else 1)
    except ValueError:
        raise ValueError(f"the weight {weight[:20]!r} is not a whole number from 1 to 1000000") from None


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"{text[:50]!r} is not an address")
    return text


def _render(value: tuple[WeightedWallet, ...]) -> str:
    if len(value) == 1 and value[0].weight == 1:
        return value[0].name_or_address
    return ",".join(f"{wallet.name_or_address}:{wallet.weight}" for wallet in value)


def _with_checksum(names: list[str]) -> tuple[str, ...]:
    """Those that carry a checksum: addresses in mixed case."""
    return tuple(name for name in names if name[2:] not in (name[2:].lower(), name[2:].upper()))
