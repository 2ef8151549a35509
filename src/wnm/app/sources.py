"""Collects what was given, highest first: command line, environment, and files, of which none is trusted."""

import io
import os
import posixpath
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from wnm.app.invocation import Invocation, refuse_conflicts
from wnm.app.run_options import RUN_OPTIONS, run_text
from wnm.core.errors import BadInput, NeedsOperator, did_you_mean, shortened
from wnm.core.forms import BOOLEAN_WORDS, TRUE_WORDS
from wnm.core.host import Host
from wnm.core.layers import Layer
from wnm.core.settings import NAMES, PREFIX, SPECS

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
    """Read settings from variables. A name without prefix that others use too counts only in a file of wnm's own."""
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


_LARGEST_BYTES = 1_000_000
_LONGEST_LINE = 12_000
# Keys that anm writes when it is installed, and that nobody else has.
_OF_ANM = re.compile(
    rb"^\s*(?:export\s+)?(?:NodeStorage|RewardsAddress|DiscordUsername|MaxLoadAverageAllowed|Delay[A-Z]\w+"
    rb"|(?:Cpu|Mem|HD)LessThan|(?:Cpu|Mem|HD)Remove)=",
    re.MULTILINE,
)


def read_config_file(path: Path, *, explicit: bool) -> Mapping[str, str]:
    """The entries of a config file, none if it does not exist and was not asked for by name.

    BadInput for a line that is not understood; NeedsOperator for a file that cannot be read or trusted.
    """
    text = _text_of(path, explicit=explicit)
    if text is None:
        return {}
    import configargparse  # only needed where there is such a file

    parser = configargparse.DefaultConfigFileParser()
    entries: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            # The parser's time grows with the square of a line's length.
            found = parser.parse(io.StringIO(line if len(line) <= _LONGEST_LINE else "="))
        except configargparse.ConfigFileParserException:
            raise BadInput(f"line {number} of {path} is not understood: write it as key = value") from None
        for key, value in found.items():
            # The syntax has lists; here a list is written with commas.
            entries[key] = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return entries


def read_environment_file(path: Path, known: frozenset[str]) -> Mapping[str, str]:
    """The assignments of a file in the manner of a shell's, none if there is no such file. Nothing is expanded.

    The file may belong to other software too, so statements that cannot be read are passed over, unless they
    hold a `known` name: then BadInput. NeedsOperator for a file that cannot be read or trusted.
    """
    text = _text_of(path, explicit=False)
    if text is None:
        return {}
    from dotenv.parser import parse_stream  # only needed where there is such a file

    entries: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error and any(name in binding.original.string for name in known):
            raise BadInput(
                f"line {binding.original.line} of {path} is not understood: write it as NAME='value'"
            )
        if binding.key is not None and binding.value is not None:
            entries[binding.key] = binding.value
    return entries


def read_shared_file(path: Path, known: frozenset[str]) -> Mapping[str, str]:
    """The same for a file that anm has under this name too: anm's own is not for wnm to read or to complain of."""
    # Whatever is wrong with the file is said by the one that reads it.
    with suppress(OSError, NeedsOperator):
        descriptor = _opened(path, explicit=False)
        if descriptor is not None:
            try:
                is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
                content = os.read(descriptor, _LARGEST_BYTES) if is_file else b""
            finally:
                os.close(descriptor)
            if not content.strip() or _OF_ANM.search(content):
                return {}
    return read_environment_file(path, known)


def _text_of(path: Path, *, explicit: bool) -> str | None:
    """The text of a file; None if there is none, or if it is a folder (`.env` is a common name for one)."""
    descriptor = _opened(path, explicit=explicit)
    if descriptor is None:
        return None
    try:
        facts = os.fstat(descriptor)
        if stat.S_ISDIR(facts.st_mode) and not explicit:
            return None
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST_BYTES:
            remedy = "give another one with -c" if explicit else "move it away"
            raise BadInput(f"{path} is not an ordinary file of at most {_LARGEST_BYTES} bytes: {remedy}")
        if not explicit:
            _refuse_foreign(path, facts)
        content = os.read(descriptor, _LARGEST_BYTES)
    finally:
        os.close(descriptor)
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not text in UTF-8: write it anew or move it away") from None


def _opened(path: Path, *, explicit: bool) -> int | None:
    try:
        # Without O_NONBLOCK, a named pipe would be waited for.
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        if explicit:
            raise BadInput(f"there is no config file {path}: create it, or leave out -c") from None
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it has no possible name"
        raise NeedsOperator(
            f"{path} cannot be read ({reason})",
            remedy="make it readable, move it away, or start wnm elsewhere",
        ) from None


def _refuse_foreign(path: Path, facts: os.stat_result) -> None:
    """A file that was not asked for by name decides which program runs, so others must not have written it."""
    if facts.st_uid not in (0, os.geteuid()) or facts.st_mode & stat.S_IWOTH:
        raise NeedsOperator(
            f"{path} belongs to another user or can be written by everybody, so it is not trusted",
            remedy=f"run 'chown {os.geteuid()} {path}; chmod o-w {path}', or start wnm elsewhere",
        )
