"""Hosts and layers for the tests of settings."""

from collections.abc import Mapping

from wnm.core.host import Host
from wnm.core.layers import DATABASE, Layer, Resolved, resolve

WALLET = "0xa1b2c3d4e5f60718293a4b5c6d7e8f9001122334"
USER = Host(
    platform="linux",
    is_root=False,
    user="ada",
    home="/home/ada",
    environ={"DISK": "/mnt/disk-1", "EMPTY": "", "ODD": "/mnt/a$b", "REL": "mnt"},
    usable_cores=4.0,
)
ROOT = Host(
    platform="linux", is_root=True, user="root", home="/root", environ={}, usable_cores=3.0, ufw_active=True
)
MAC = Host(
    platform="darwin",
    is_root=False,
    user="ada",
    home="/Users/ada",
    environ={},
    usable_cores=8.0,
    program="/opt/bin/antnode",
)


def given(origin: str = "command line", /, **values: str) -> Layer:
    """A layer with these texts."""
    return Layer(name=origin, values=values)


def stored(**values: str) -> Layer:
    """A database layer as --init leaves it, with these texts on top."""
    return Layer(name=DATABASE, values={**initial(), **values})


def initial(host: Host = USER, **values: str) -> Mapping[str, str]:
    """What --init stores for these options."""
    return resolve([given(**{"rewards_address": WALLET, **values})], host).initial_texts()


def resolved(*layers: Layer, host: Host = USER) -> Resolved:
    """The layers over a required wallet."""
    return resolve([*layers, given("wallet", rewards_address=WALLET)], host)
