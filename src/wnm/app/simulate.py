"""Runs `wnm simulate`: the decisions against a simulated machine, with this machine's settings if it has any."""

import os

from wnm.app.context import Context
from wnm.app.invocation import Report
from wnm.core.layers import Layer, resolve
from wnm.core.settings import Settings
from wnm.storage.database import open_for_reading
from wnm.storage.ledger import Ledger

DAY_OF_CYCLES = 24 * 60
ANY_WALLET = Layer(name="default", values={"rewards_address": "faucet"})


def simulate(context: Context) -> Report:
    """Play so many minutes; the report is what happened. Nothing is touched."""
    from wnm_sim.simulation import render, run_simulation

    asked = context.asked
    cycles = DAY_OF_CYCLES if asked.cycles is None else asked.cycles
    return Report(text=render(run_simulation(_settings(context), cycles, asked.seed or 0)))


def _settings(context: Context) -> Settings:
    """Return the given settings, over the stored ones, over the defaults."""
    if not os.path.lexists(context.database_path):
        return resolve((*context.layers, ANY_WALLET), context.host).settings
    with open_for_reading(context.database_path) as database:
        stored = Ledger(database).layers()
    return resolve((*context.layers, *stored), context.host).settings
