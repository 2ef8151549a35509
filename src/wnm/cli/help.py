"""Writes the text of `wnm --help` from the options and settings."""

import textwrap

from wnm.app.invocation import SUBCOMMANDS
from wnm.app.run_options import RUN_OPTIONS
from wnm.core.settings import GROUPS, SPECS

_WIDTH = 80
_USAGE = """\
usage: wnm [options]              run one cycle (cron does this every minute)
       wnm --init --rewards_address ADDR [options]
       wnm status | explain [CYCLE | NODE] | history | watch | doctor
       wnm replay FILE | simulate
       wnm cron [show | install | remove]
       wnm serve [--port N]
       wnm alerts [show | test]

Keeps this machine's Autonomi nodes running by itself: it starts, heals,
upgrades and sheds nodes. Every option may also be written with hyphens
(--node-cap 3) and with = (--node_cap=3).
"""
_LAYERS = """\
Settings come from, the strongest first: the command line; the environment
(WNM_NODE_CAP, or NODE_CAP unless other software uses that name too), then .env
in the working directory, then /var/antctl/config for root; config files
(-c FILE, ~/.local/share/wnm/config, ~/wnm/config) with lines such as
node_cap = 3; the database; defaults. A setting that is given is remembered in
the database, unless it is for this run only.

exit codes: 0 fine; 1 an action failed; 2 wrong usage or settings;
            3 needs you, see the remedy; 75 another cycle is running
"""


def help_text() -> str:
    """All of `wnm --help`."""
    parts = [_USAGE, "\ncommands:\n"]
    parts.extend(_entry(str(command), meaning) for command, meaning in SUBCOMMANDS.items())
    parts.append("\nthis run:\n")
    for option in RUN_OPTIONS.values():
        choices = f"; one of {', '.join(option.choices)}" if option.choices else ""
        parts.append(_entry(f"--{option.name} {option.shown}".strip(), option.meaning + choices))
    for name, spec in SPECS.items():
        if name in GROUPS:
            parts.append(f"\n{GROUPS[name].lower()}:\n")
        lasts = "" if spec.persisted else "this run only; "
        lasts = "fixed once --init has run; " if spec.fixed else lasts
        also = f"; also --{', --'.join(spec.names[1:])}" if spec.names[1:] else ""
        names = " or ".join(spec.environment_names)
        text = (
            f"{spec.meaning} ({lasts}default: {spec.default_shown}; takes {spec.form.accepts}; "
            f"environment: {names}{also})"
        )
        parts.append(_entry(f"--{name} {spec.form.shown}", text))
    return "".join([*parts, "\n", _LAYERS])


def _entry(left: str, text: str) -> str:
    return (
        f"  {left}\n" + textwrap.fill(text, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6) + "\n"
    )
