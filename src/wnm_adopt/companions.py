"""What belongs to anm and is not anm: its collector of figures and its scraper of wallets, each a cron file."""

import shlex
from collections.abc import Mapping, Sequence

from wnm.app.context import DATABASE_NAME, Context
from wnm.app.schedule import own_program
from wnm.core.host import data_folder
from wnm_adopt.anm_cron import read_cron_entries
from wnm_adopt.anm_places import AnmPlaces
from wnm_adopt.anm_plan import Companion

REPORTING = "influx_resources"
FOLDER = "/tmp/influx-resources"
USUAL_TIMES = "*/20 * * * *"


def companions_of(run: Context, places: AnmPlaces, texts: Mapping[str, str | None]) -> Sequence[Companion]:
    """Those that are there, each with what is wished for it."""
    wish = run.asked.companions or "leave"
    return [
        Companion(
            path=places.companion(name),
            text=text,
            wish=wish,
            replacement=_replacement(run, places, text) if wish == "replace" and name == REPORTING else None,
        )
        for name, text in texts.items()
        if text is not None
    ]


def _replacement(run: Context, places: AnmPlaces, text: str) -> tuple[str, str]:
    """The file that has wnm's own report written where the collector wrote its figures, at the same times."""
    entries = [entry for entry in read_cron_entries(text) if entry.live]
    times = entries[0].when if entries else USUAL_TIMES
    words = [*own_program(), "--report", "influx-resources"]
    if run.database_path != f"{data_folder(run.host)}/{DATABASE_NAME}":
        words += ["--dbpath", run.database_path]
    # For cron a percent sign ends the command.
    command = shlex.join(words).replace("%", "\\%")
    line = (
        f"{times} {run.host.user} /usr/bin/mkdir -p {FOLDER} && {command} > {FOLDER}/influx-resources.new && "
        f"/usr/bin/mv {FOLDER}/influx-resources.new {FOLDER}/influx-resources"
    )
    path = places.companion("wnm_influx_resources")
    return (
        path,
        f"# Written by wnm --init --migrate_anm in the place of anm's; wnm --undo_migration takes it away.\n{line}\n",
    )
