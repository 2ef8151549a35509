"""Where quotes, substitutions and brackets of a bash text end, and which variables may change inside of them."""

import re
from enum import Enum, auto

NAME = "[A-Za-z_][A-Za-z0-9_]*+"

_SPECIAL = re.compile(r"[\\'\"`$(){}#<]")
_ANSI_QUOTE = re.compile(r"(?:[^\\']|\\.)*+'", re.DOTALL)
_BACKQUOTED = re.compile(r"(?:[^\\`]|\\.)*+`", re.DOTALL)
_CASE = re.compile(r"(?<![\w./-])case\s")
_WORD_BEGINS_AFTER = " \t\n;&|("
_CHANGED = re.compile(
    rf"(?:\+\+|--)\s*+({NAME})"
    rf"|(?<![A-Za-z0-9_])({NAME})(?=\s*+(?:\[[^\]\n]{{0,80}}\]\s*+)?(?:\+\+|--|:=|(?:[-+*/%&|^]|<<|>>)?=(?!=)))"
)
_EXPANSION = re.compile(r"\$\{[^}\n]{0,200}|\$\(\([^\n]{0,200}")
_ASSIGNED = re.compile(rf"(?<![A-Za-z0-9_])({NAME})(?=\+?=|\[)")


class Unreadable(Exception):
    """From `offset` on it cannot be told what the text means; the message says why."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset = offset
        self.reason = reason


class _In(Enum):
    """What a position is inside of."""

    COMMANDS = auto()
    ARITHMETIC = auto()
    BRACES = auto()
    BRACES_IN_QUOTES = auto()
    QUOTES = auto()


_QUOTED = (_In.QUOTES, _In.BRACES_IN_QUOTES)
_ROUND = (_In.COMMANDS, _In.ARITHMETIC)
_CURLY = (_In.BRACES, _In.BRACES_IN_QUOTES)


def names_changed(text: str) -> list[str]:
    """Variables that arithmetic or `${…:=…}` in a text may change: rather one too many."""
    return [before or after for before, after in _CHANGED.findall(text)]


def names_changed_in_document(text: str) -> list[str]:
    """The same for a text that follows its line (`<<END`), in which only expansions do something."""
    return [name for found in _EXPANSION.findall(text) for name in names_changed(found)]


def names_assigned(text: str, begin: int = 0) -> list[tuple[str, int]]:
    """Everything from `begin` on that looks like an assignment, in quotes and comments too: name and offset."""
    return [(found[1], found.start()) for found in _ASSIGNED.finditer(text, begin)]


def end_of_single_quotes(text: str, at: int) -> int:
    """The offset after the quote that closes the one before `at`."""
    found = text.find("'", at)
    if found < 0:
        raise Unreadable(at - 1, "a single quote is not closed")
    return found + 1


def end_of_ansi_quotes(text: str, at: int) -> int:
    """The same for `$'…'`, where `at` is the first character inside."""
    found = _ANSI_QUOTE.match(text, at)
    if found is None:
        raise Unreadable(at - 2, "a single quote is not closed")
    return found.end()


def end_of_backquotes(text: str, at: int) -> int:
    """The same for backquotes."""
    found = _BACKQUOTED.match(text, at)
    if found is None:
        raise Unreadable(at - 1, "a backquote is not closed")
    return found.end()


def end_of_round(text: str, at: int, *, arithmetic: bool = False) -> int:
    """The offset after the `)` that closes the `(` before `at`."""
    end = _Scan(text, at, _In.ARITHMETIC if arithmetic else _In.COMMANDS).run()
    # The patterns of a `case` have closing brackets of their own.
    if not arithmetic and _CASE.search(text, at, end):
        raise Unreadable(at - 1, "where the brackets end cannot be told, for there is a case in them")
    return end


def end_of_curly(text: str, at: int, *, quoted: bool) -> int:
    """The offset after the `}` that closes the `${` before `at`."""
    return _Scan(text, at, _In.BRACES_IN_QUOTES if quoted else _In.BRACES).run()


class _Scan:
    """One pass from `at` to where everything that is open is closed; time grows with the length alone."""

    def __init__(self, text: str, at: int, inside: _In) -> None:
        self.text = text
        self.begin = at
        self.at = at
        self.open = [inside]

    def run(self) -> int:
        while self.open:
            found = _SPECIAL.search(self.text, self.at)
            if found is None:
                raise Unreadable(self.begin, "a quote or a bracket is not closed")
            self.at = found.end()
            self._step(found[0])
        return self.at

    def _step(self, char: str) -> None:
        inside = self.open[-1]
        if char == "\\":
            self.at += 1
        elif char == "'":
            self._single_quote(inside)
        elif char == '"':
            self._double_quote(inside)
        elif char == "`":
            self.at = end_of_backquotes(self.text, self.at)
        elif char == "$":
            self._dollar(inside)
        elif char in "()":
            self._round(char, inside)
        elif char == "}" and inside in _CURLY:
            self.open.pop()
        elif inside is _In.COMMANDS:
            self._in_commands(char)

    def _single_quote(self, inside: _In) -> None:
        if inside is _In.BRACES_IN_QUOTES:
            # Whether it quotes depends on what the braces do.
            raise Unreadable(self.begin, "where the braces end cannot be told, for there is a quote in them")
        if inside is not _In.QUOTES:
            self.at = end_of_single_quotes(self.text, self.at)

    def _double_quote(self, inside: _In) -> None:
        if inside is _In.QUOTES:
            self.open.pop()
        else:
            self.open.append(_In.QUOTES)

    def _dollar(self, inside: _In) -> None:
        following = self.text[self.at : self.at + 2]
        if following == "((":
            self.open.append(_In.ARITHMETIC)
            self.at += 1
        elif following[:1] == "(":
            self.open.append(_In.COMMANDS)
            self.at += 1
        elif following[:1] == "{":
            self.open.append(_In.BRACES_IN_QUOTES if inside in _QUOTED else _In.BRACES)
            self.at += 1
        elif following[:1] == "'" and inside not in _QUOTED:
            self.at = end_of_ansi_quotes(self.text, self.at + 1)

    def _round(self, char: str, inside: _In) -> None:
        if inside not in _ROUND:
            return
        if char == "(":
            self.open.append(inside)
        else:
            self.open.pop()

    def _in_commands(self, char: str) -> None:
        if char == "#" and self.text[self.at - 2] in _WORD_BEGINS_AFTER:
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
        elif char == "<" and self.text.startswith("<<", self.at):
            self.at += 2
        elif char == "<" and self.text.startswith("<", self.at):
            raise Unreadable(self.begin, "where the brackets end cannot be told, for a text stands in them")
