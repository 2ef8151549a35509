"""Parses an `ExecStart=` as systemd does, into the program and its arguments."""

import posixpath
import re
from collections.abc import Mapping

from wnm.formats.systemd_words import (
    WHITESPACE,
    Unclear,
    next_word,
    skip_separators,
    with_specifiers,
    with_variables,
)

MOST_ARGUMENTS = 10_000
_PREFIXES = re.compile(r"[-@:+!|]*")
_MATTERS = {
    "@": "gives its program another name (@ before ExecStart)",
    "+": "runs as root whatever User= says (+ before ExecStart)",
    "!": "keeps root's rights whatever User= says (! before ExecStart)",
    "|": "runs through a shell (| before ExecStart)",
}
SHELLS = frozenset({"ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "sh", "tcsh", "zsh"})


def argv_of(value: str, variables: Mapping[str, str], specifiers: Mapping[str, str]) -> tuple[str, ...]:
    """Program and arguments as the process gets them; the program as it is written, doubled slashes too.

    `variables` and `specifiers` are those whose values are known. Unclear for a value that systemd refuses, that
    runs anything but one program found by its full path, or that depends on what is not known.
    """
    first, *others = _parts(value)
    prefixes = _prefixes(first)
    for prefix in prefixes:
        if prefix in _MATTERS:
            raise Unclear(_MATTERS[prefix])
    program = with_specifiers(first[len(prefixes) :], specifiers)
    _require_program(program)
    # A colon keeps every $ as it is.
    plain = ":" in prefixes
    if "$" in program and not plain:
        raise Unclear(f"has a $ in the path of its program: {program!r:.200}")
    argv = [program]
    for each in others:
        resolved = with_specifiers(each, specifiers)
        argv += [resolved] if plain else with_variables(resolved, variables)
        if len(argv) > MOST_ARGUMENTS:
            raise Unclear(f"has more than {MOST_ARGUMENTS} arguments")
    return tuple(argv)


def _parts(value: str) -> list[str]:
    """The words of one command. Unclear for several."""
    text = value.encode()
    at = skip_separators(text, 0)
    found: list[str] = []
    while at < len(text):
        # Only when it stands there bare: a quoted one is an argument like any other.
        alone = at + 1 == len(text) or text[at + 1] in WHITESPACE
        escaped = text.startswith(b"\\;", at) and (at + 2 == len(text) or text[at + 2] in WHITESPACE)
        if found and text.startswith(b";", at) and alone:
            if skip_separators(text, at + 1) < len(text):
                raise Unclear("has several commands in one ExecStart")
            break
        if found and escaped:
            found.append(";")
            at = skip_separators(text, at + 2)
            continue
        word, at = next_word(text, at)
        found.append(word)
    return found


def _prefixes(first: str) -> str:
    found = _PREFIXES.match(first)
    return found[0] if found else ""


def _require_program(path: str) -> None:
    if not path.startswith("/"):
        raise Unclear(f"does not name its program by the full path: {path!r:.200}")
    if path.endswith("/") or any(char < " " or char in "\"'\\\x7f" for char in path):
        raise Unclear(f"has a program that systemd does not run: {path!r:.200}")
    if posixpath.basename(path) in SHELLS:
        raise Unclear(f"runs a shell, and what that runs is not known: {path!r:.200}")
