"""`wnm simulate`: the decision engine against a simulated machine, with this machine's settings if it has any."""

import os

from wnm.app.context import Context
from wnm.core.layers import Layer, resolve
from wnm.core.settings import Settings
from wnm.storage.database import open_for_reading
from wnm.storage.ledger import Ledger
from wnm_sim.simulation import render, run_simulation

DAY_OF_CYCLES = 24 * 60
ANY_WALLET = Layer(name="default", values={"rewards_address": "faucet"})


def simulate(run: Context) -> int:
    """Play so many minutes and print what happened; nothing is touched."""
    cycles = DAY_OF_CYCLES if run.asked.cycles is None else run.asked.cycles
    print(render(run_simulation(_settings(run), cycles, run.asked.seed or 0)))
    return 0


def _settings(run: Context) -> Settings:
    """What is given, over what the database holds, over the defaults."""
    if not os.path.lexists(run.database_path):
        return resolve((*run.layers, ANY_WALLET), run.host).settings
    with open_for_reading(run.database_path) as database:
        stored = Ledger(database).layers()
    return resolve((*run.layers, *stored), run.host).settings
