"""Reading the files that settings may come from, as pairs of text; none of them is trusted to be well-formed."""

import io
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from wnm.core.errors import BadInput, NeedsOperator

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
