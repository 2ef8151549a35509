"""Collecting what was given: command line, environment and config files, highest first."""

import posixpath
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from wnm.app.invocation import Invocation, refuse_conflicts
from wnm.app.run_options import RUN_OPTIONS, run_text
from wnm.app.setting_files import read_config_file, read_environment_file, read_shared_file
from wnm.core.errors import BadInput
from wnm.core.forms import BOOLEAN_WORDS, TRUE_WORDS
from wnm.core.host import Host
from wnm.core.layers import Layer
from wnm.core.setting import PREFIX
from wnm.core.settings import NAMES, SPECS
from wnm.core.suggest import did_you_mean, shortened

COMMAND_LINE = "command line"
ENVIRONMENT = "environment"
ROOT_FILE = Path("/var/antctl/config")

type Texts = Mapping[str, str]

# Environment names of settings, with and without those that other software uses too.
_OURS = {name: spec.name for spec in SPECS.values() for name in spec.environment_names}
_PLAIN = {name.upper(): meant for name, meant in NAMES.items()}


class Gathered(Struct, frozen=True, kw_only=True):
    """The layers above the database, and the invocation with what environment and files say of the run itself."""

    layers: tuple[Layer, ...]
    invocation: Invocation


class _Source(Struct, frozen=True, kw_only=True):
    """One place as read: settings by name, and run options by name."""

    origin: str
    settings: Texts
    run: Texts


def gather(
    invocation: Invocation, host: Host, *, folder: Path | None, root_file: Path = ROOT_FILE
) -> Gathered:
    """Read the environment, `.env` in `folder`, for root `root_file`, and the config files.

    BadInput for a name of wnm's that does not exist or that only the command line may use, and for files that are
    not understood; NeedsOperator for files that cannot be read or trusted.
    """
    sources = [_from_environment(host.environ, ENVIRONMENT)]
    known = frozenset(_OURS) | {PREFIX}
    if folder is not None:
        sources.append(_from_environment(read_environment_file(folder / ".env", known), str(folder / ".env")))
    if host.is_root:
        sources.append(_from_environment(read_shared_file(root_file, known), str(root_file), own_file=True))
    sources.extend(
        _from_config(path, explicit=explicit) for path, explicit in _config_files(invocation, host)
    )
    layers = [Layer(name=COMMAND_LINE, values=invocation.given)]
    layers.extend(Layer(name=source.origin, values=source.settings) for source in sources if source.settings)
    return Gathered(layers=tuple(layers), invocation=_with_run_options(invocation, sources))


def _config_files(invocation: Invocation, host: Host) -> list[tuple[Path, bool]]:
    """The config files, highest first, and whether each was asked for by name."""
    asked = [(Path(_expanded(invocation.config, host)), True)] if invocation.config is not None else []
    home = Path(host.home)
    return [*asked, (home / ".local/share/wnm/config", False), (home / "wnm/config", False)]


def _expanded(path: str, host: Host) -> str:
    return posixpath.join(host.home, path[2:]) if path.startswith("~/") else path


def _from_environment(entries: Texts, origin: str, *, own_file: bool = False) -> _Source:
    """What variables say. A name without prefix that other software uses too counts only in a file of wnm's own."""
    settings: dict[str, str] = {}
    run: dict[str, str] = {}
    names = {**_PLAIN, **_OURS} if own_file else _OURS
    for variable, text in entries.items():
        if variable in names:
            # The name with prefix is the stronger one, wherever it stands.
            name = names[variable]
            if _counts(name, text) and (variable.startswith(PREFIX) or name not in settings):
                settings[name] = text
        elif variable.startswith(PREFIX):
            name = variable.removeprefix(PREFIX).lower()
            _refuse_in_environment(variable, name, origin)
            if text:
                run[name] = text
    return _Source(origin=origin, settings=settings, run=run)


def _counts(name: str, text: str) -> bool:
    """An empty variable is as good as none, unless the setting can be cleared."""
    return bool(text.strip()) or SPECS[name].form.clearable


def _refuse_in_environment(variable: str, name: str, origin: str) -> None:
    if name not in RUN_OPTIONS:
        known = [
            *_OURS,
            *(PREFIX + each.upper() for each, option in RUN_OPTIONS.items() if option.from_environment),
        ]
        remedy = did_you_mean(variable, known, "see wnm --help for the names that exist")
        raise BadInput(f"{shortened(variable)} ({origin}) is no name of a setting: {remedy}")
    if not RUN_OPTIONS[name].from_environment:
        raise BadInput(
            f"{variable} ({origin}) has no effect: only the command line may say --{name}; unset it"
        )


def _from_config(path: Path, *, explicit: bool) -> _Source:
    settings: dict[str, str] = {}
    run: dict[str, str] = {}
    for key, text in read_config_file(path, explicit=explicit).items():
        name = key.removeprefix("--").replace("-", "_")
        if name in NAMES:
            settings[NAMES[name]] = text
        elif name not in RUN_OPTIONS:
            allowed = [*NAMES, *(each for each, option in RUN_OPTIONS.items() if option.from_files)]
            remedy = did_you_mean(name, allowed, "see wnm --help for those that exist")
            raise BadInput(f"no setting is called {shortened(key)} ({path}): {remedy}")
        elif not RUN_OPTIONS[name].from_files:
            raise BadInput(
                f"{key} ({path}) has no effect: only the command line may say --{name}; take it out"
            )
        else:
            run[name] = text
    return _Source(origin=str(path), settings=settings, run=run)


def _with_run_options(invocation: Invocation, sources: list[_Source]) -> Invocation:
    run: dict[str, str] = {}
    for source in reversed(sources):
        run.update(source.run)

    def strongest(name: str, given: str | None) -> str | None:
        return run_text(name, run[name]) if given is None and name in run else given

    full = replace(
        invocation,
        dry_run=invocation.dry_run or _is_true(run.get("dry_run", "false")),
        dbpath=strongest("dbpath", invocation.dbpath),
        loglevel=strongest("loglevel", invocation.loglevel),
        log_format=strongest("log_format", invocation.log_format),
        log_file=strongest("log_file", invocation.log_file),
    )
    refuse_conflicts(full)
    return full


def _is_true(text: str) -> bool:
    """Whether WNM_DRY_RUN asks for a dry run; what is neither true nor false is refused rather than guessed."""
    word = text.strip().lower()
    if word not in BOOLEAN_WORDS:
        raise BadInput(f"{PREFIX}DRY_RUN cannot be {shortened(text)}: give true or false")
    return word in TRUE_WORDS
