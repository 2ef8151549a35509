"""Collects what was given, highest first: command line, environment, and files, of which none is trusted."""

import io
import os
import posixpath
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

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
    if invocation.config is not None:
        asked = invocation.config
        path = posixpath.join(host.home, asked[2:]) if asked.startswith("~/") else asked
        sources.append(_from_config(Path(path), explicit=True))
    for name in (".local/share/wnm/config", "wnm/config"):
        sources.append(_from_config(Path(host.home) / name, explicit=False))
    layers = [Layer(name=COMMAND_LINE, values=invocation.given)]
    layers.extend([Layer(name=each.origin, values=each.settings) for each in sources if each.settings])
    run: dict[str, str] = {}
    for source in reversed(sources):
        run.update(source.run)
    changed: dict[str, Any] = {}
    for name in ("dbpath", "loglevel", "log_format", "log_file"):
        if name in run and getattr(invocation, name) is None:
            changed[name] = run_text(name, run[name])
    # What is neither true nor false is refused rather than guessed.
    dry = run.get("dry_run", "false").strip().lower()
    if dry not in BOOLEAN_WORDS and not invocation.dry_run:
        raise BadInput(f"{PREFIX}DRY_RUN cannot be {shortened(run['dry_run'])}: give true or false")
    full = replace(invocation, dry_run=invocation.dry_run or dry in TRUE_WORDS, **changed)
    refuse_conflicts(full)
    return Gathered(layers=tuple(layers), invocation=full)


def _from_environment(entries: Texts, origin: str, *, own_file: bool = False) -> _Source:
    """Read settings from variables. A name without prefix that others use too counts only in a file of wnm's own."""
    settings: dict[str, str] = {}
    run: dict[str, str] = {}
    names = {**_PLAIN, **_OURS} if own_file else _OURS
    for variable, text in entries.items():
        if variable in names:
            name = names[variable]
            # An empty variable is as good as none, unless the setting can be cleared. The name with prefix is the
            # stronger one, wherever it stands.
            counts = text.strip() or SPECS[name].form.clearable
            if counts and (variable.startswith(PREFIX) or name not in settings):
                settings[name] = text
        elif variable.startswith(PREFIX):
            name = variable.removeprefix(PREFIX).lower()
            if name not in RUN_OPTIONS:
                ours = [
                    PREFIX + each.upper() for each, option in RUN_OPTIONS.items() if option.from_environment
                ]
                remedy = did_you_mean(variable, [*_OURS, *ours], "see wnm --help for the names that exist")
                raise BadInput(f"{shortened(variable)} ({origin}) is no name of a setting: {remedy}")
            if not RUN_OPTIONS[name].from_environment:
                raise BadInput(
                    f"{variable} ({origin}) has no effect: only the command line may say --{name}; unset it"
                )
            if text:
                run[name] = text
    return _Source(origin=origin, settings=settings, run=run)


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
    with suppress(OSError, ValueError), _opened(path) as (descriptor, facts):
        content = os.read(descriptor, _LARGEST_BYTES) if stat.S_ISREG(facts.st_mode) else b""
        if not content.strip() or _OF_ANM.search(content):
            return {}
    return read_environment_file(path, known)


def _text_of(path: Path, *, explicit: bool) -> str | None:
    """The text of a file; None if there is none, or if it is a folder (`.env` is a common name for one)."""
    try:
        with _opened(path) as (descriptor, facts):
            if stat.S_ISDIR(facts.st_mode) and not explicit:
                return None
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST_BYTES:
                remedy = "give another one with -c" if explicit else "move it away"
                raise BadInput(f"{path} is not an ordinary file of at most {_LARGEST_BYTES} bytes: {remedy}")
            # A file that was not asked for by name decides which program runs, so others must not have written it.
            if not explicit and (facts.st_uid not in (0, os.geteuid()) or facts.st_mode & stat.S_IWOTH):
                raise NeedsOperator(
                    f"{path} belongs to another user or can be written by everybody, so it is not trusted",
                    remedy=f"run 'chown {os.geteuid()} {path}; chmod o-w {path}', or start wnm elsewhere",
                )
            return os.read(descriptor, _LARGEST_BYTES).decode("utf-8-sig").replace("\r\n", "\n")
    except (FileNotFoundError, NotADirectoryError):
        if explicit:
            raise BadInput(f"there is no config file {path}: create it, or leave out -c") from None
        return None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not text in UTF-8: write it anew or move it away") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it has no possible name"
        raise NeedsOperator(
            f"{path} cannot be read ({reason})",
            remedy="make it readable, move it away, or start wnm elsewhere",
        ) from None


@contextmanager
def _opened(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    # Without O_NONBLOCK, a named pipe would be waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield descriptor, os.fstat(descriptor)
    finally:
        os.close(descriptor)
