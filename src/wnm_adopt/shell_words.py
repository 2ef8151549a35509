"""The words and operators of a bash text, in one pass and without expanding anything."""

import re
from enum import Enum, auto

from msgspec import Struct

from wnm_adopt.shell_escapes import ansi_text
from wnm_adopt.shell_scanning import (
    NAME,
    Unreadable,
    end_of_ansi_quotes,
    end_of_backquotes,
    end_of_curly,
    end_of_round,
    end_of_single_quotes,
    names_changed,
    names_changed_in_document,
)

ASSIGNMENT = re.compile(rf"({NAME})(\[[^\]]*+\]?)?(\+?=)")
_ELEMENT = re.compile(rf"({NAME})\[")
_CLOSES_SUBSCRIPT = re.compile(r"\]\+?=")
_BARE = re.compile(r"[^\\'\"$`|&;()<> \t\n]++")
_IN_QUOTES = re.compile(r"[^\\\"$`]++")
_BLANK = re.compile(r"(?:[ \t]|\\\n)*+")
_OPERATOR = re.compile(r"&>>|<<<|<<-|;;&|&&|\|\||;;|;&|<<|>>|<&|>&|<>|>\||&>|\|&|[|&;()<>\n]")
REDIRECTIONS = frozenset({"<", ">", ">>", "<<", "<<-", "<<<", "<&", ">&", "<>", ">|", "&>", "&>>"})
_REFERENCE = re.compile(rf"\$(?:({NAME})|\{{({NAME})\}})")
_PARAMETER = re.compile(rf"[!#]?(?:{NAME}|[0-9]++|[@*#?$!-])(?:\[[^\]]*+\])?([^}}]?)(.?)", re.DOTALL)
_DESCRIPTOR = re.compile(rf"[0-9]++|\{{({NAME})\}}")


class Kind(Enum):
    """What a piece of a word is."""

    BARE = auto()
    """Characters that stand there unquoted."""
    QUOTED = auto()
    """Characters that were quoted, as they are without the quotes."""
    REFERENCE = auto()
    """The value of a variable; the text is its name."""
    OPAQUE = auto()
    """What only running the text would tell; the text says why."""
    ARRAY = auto()
    """The elements of an array."""


class Piece(Struct, frozen=True, kw_only=True):
    """A part of a word."""

    kind: Kind
    text: str


class Word(Struct, frozen=True, kw_only=True):
    """A word of a command, from offset `begin` to before `end`. `may_end` says that expanding it may end the shell."""

    pieces: tuple[Piece, ...]
    begin: int
    end: int
    may_end: bool = False

    @property
    def bare(self) -> str | None:
        """The text of a word without any quote or expansion: only such a one can be a keyword."""
        if len(self.pieces) == 1 and self.pieces[0].kind is Kind.BARE:
            return self.pieces[0].text
        return None

    @property
    def static(self) -> str | None:
        """The text of a word that is the same whatever the variables are (but for patterns, braces and tildes)."""
        if all(piece.kind in (Kind.BARE, Kind.QUOTED) for piece in self.pieces):
            return "".join(piece.text for piece in self.pieces)
        return None

    @property
    def is_array(self) -> bool:
        """Whether an array is written in it."""
        return any(piece.kind is Kind.ARRAY for piece in self.pieces)


class Operator(Struct, frozen=True, kw_only=True):
    """What stands between words; the text is empty at the end."""

    text: str
    begin: int


type Token = Word | Operator


class _Document(Struct, frozen=True, kw_only=True):
    """A text that follows the line (`<<END`), up to the line `end`."""

    end: str
    quoted: bool
    tabs: bool


class Lexer:
    """Takes a text apart. `changed` collects the variables that expansions change, with their offsets."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.changed: list[tuple[str, int]] = []
        self._documents: list[_Document] = []
        self._opens_document: str | None = None
        self._redirects = False

    def next(self) -> Token:
        """The next token. Unreadable where there is none."""
        while True:
            self._skip_blanks()
            begin = self.at
            found = _OPERATOR.match(self.text, begin)
            if found is not None and not self._is_substitution():
                return self._operator(found[0])
            if begin >= len(self.text):
                return Operator(text="", begin=begin)
            word = _WordReader(self).read()
            if not self._is_descriptor(word):
                self._watch_documents(word)
                return word

    def _skip_blanks(self) -> None:
        found = _BLANK.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        if self.text.startswith("#", self.at):
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end

    def _is_substitution(self) -> bool:
        return self.text[self.at : self.at + 2] in ("<(", ">(")

    def _operator(self, text: str) -> Operator:
        operator = Operator(text=text, begin=self.at)
        if self._opens_document is not None:
            raise Unreadable(self.at, f"{self._opens_document} has no word behind it")
        self.at += len(text)
        self._redirects = text in REDIRECTIONS
        if text in ("<<", "<<-"):
            self._opens_document = text
        elif text == "\n":
            for document in self._documents:
                self._skip_document(document)
            self._documents = []
        return operator

    def _is_descriptor(self, word: Word) -> bool:
        """Whether it is the number, or the name for a number, in front of a redirection."""
        redirects, self._redirects = self._redirects, False
        if (
            redirects
            or word.bare is None
            or self.text[self.at : self.at + 1] not in ("<", ">")
            or self._is_substitution()
        ):
            return False
        found = _DESCRIPTOR.fullmatch(word.bare)
        if found is not None and found[1]:
            self.changed.append((found[1], word.begin))
        return found is not None

    def _watch_documents(self, word: Word) -> None:
        if self._documents and "\n" in self.text[word.begin : word.end]:
            raise Unreadable(word.begin, "a word goes on over the text that follows its line")
        if self._opens_document is None:
            return
        if word.static is None:
            raise Unreadable(word.begin, "where the text below ends cannot be told")
        quoted = word.bare is None
        self._documents.append(_Document(end=word.static, quoted=quoted, tabs=self._opens_document == "<<-"))
        self._opens_document = None

    def _skip_document(self, document: _Document) -> None:
        begin, joined = self.at, False
        while self.at < len(self.text):
            end = self.text.find("\n", self.at)
            end = len(self.text) if end < 0 else end
            line = self.text[self.at : end]
            if not joined and (line.lstrip("\t") if document.tabs else line) == document.end:
                self.at = min(end + 1, len(self.text))
                break
            self.at = min(end + 1, len(self.text))
            joined = not document.quoted and (len(line) - len(line.rstrip("\\"))) % 2 == 1
        if not document.quoted:
            self.changed.extend(
                (name, begin) for name in names_changed_in_document(self.text[begin : self.at])
            )


class _WordReader:
    """Reads the word that begins where a lexer is."""

    def __init__(self, lexer: Lexer) -> None:
        self.lexer = lexer
        self.text = lexer.text
        self.at = self.begin = lexer.at
        self.pieces: list[Piece] = []
        self.may_end = False
        self.quoted = False

    def read(self) -> Word:
        while self.at < len(self.text) or self.quoted:
            run = (_IN_QUOTES if self.quoted else _BARE).match(self.text, self.at)
            if run is not None:
                self._add(Kind.QUOTED if self.quoted else Kind.BARE, run[0], run.end())
            elif not self._special():
                break
        self.lexer.at = self.at
        return Word(pieces=tuple(self.pieces), begin=self.begin, end=self.at, may_end=self.may_end)

    def _add(self, kind: Kind, text: str, end: int) -> None:
        """Add a piece that ends before `end`; neighbours of the same kind are one."""
        if kind is Kind.BARE and self.pieces and self.pieces[-1].kind is Kind.BARE:
            text = self.pieces.pop().text + text
        self.pieces.append(Piece(kind=kind, text=text))
        self.at = end

    def _special(self) -> bool:
        """Read what begins with a special character; False where the word ends."""
        char = self.text[self.at : self.at + 1]
        if char == "":
            raise Unreadable(self.begin, "a double quote is not closed")
        if char == "\\":
            self._escape()
        elif char == '"':
            self.quoted = not self.quoted
            self._add(Kind.QUOTED, "", self.at + 1)
        elif char == "`":
            self._opaque("it runs a command", end_of_backquotes(self.text, self.at + 1))
        elif char == "$":
            self._dollar()
        elif char == "'":
            end = end_of_single_quotes(self.text, self.at + 1)
            self._add(Kind.QUOTED, self.text[self.at + 1 : end - 1], end)
        else:
            return self._bracket()
        return True

    def _opaque(self, why: str, end: int) -> None:
        self._add(Kind.OPAQUE, why, end)

    def _escape(self) -> None:
        char = self.text[self.at + 1 : self.at + 2]
        if char == "":
            self._opaque("it ends in a backslash", self.at + 1)
        elif char == "\n":
            self.at += 2
        elif self.quoted and char not in '$`"\\':
            self._add(Kind.QUOTED, "\\" + char, self.at + 2)
        else:
            self._add(Kind.QUOTED, char, self.at + 2)

    def _dollar(self) -> None:
        found = _REFERENCE.match(self.text, self.at)
        following = self.text[self.at + 1 : self.at + 2]
        if found is not None:
            self._add(Kind.REFERENCE, found[1] or found[2], found.end())
        elif following == "(":
            self._substitution()
        elif following == "{":
            self._parameter()
        elif following == "[":
            raise Unreadable(self.at, "old arithmetic with $[ is not understood")
        elif following == "'" and not self.quoted:
            end = end_of_ansi_quotes(self.text, self.at + 2)
            text = ansi_text(self.text[self.at + 2 : end - 1])
            if text is None:
                self._opaque("its escapes are not understood", end)
            else:
                self._add(Kind.QUOTED, text, end)
        elif following == '"' and not self.quoted:
            self._opaque("it is translated", self.at + 1)
        elif following and following in "0123456789@*#?$!-":
            self._opaque(f"${following} is known only while it runs", self.at + 2)
        else:
            self._add(Kind.QUOTED if self.quoted else Kind.BARE, "$", self.at + 1)

    def _substitution(self) -> None:
        arithmetic = self.text.startswith("((", self.at + 1)
        end = end_of_round(self.text, self.at + 2, arithmetic=arithmetic)
        if arithmetic:
            self._note_changes(end)
        self._opaque("it is calculated" if arithmetic else "it runs a command", end)

    def _parameter(self) -> None:
        end = end_of_curly(self.text, self.at + 2, quoted=self.quoted)
        found = _PARAMETER.match(self.text, self.at + 2, end)
        if found is None or "?" in (found[1], found[2]):
            self.may_end = True
        self._note_changes(end)
        self._opaque("it depends on other values", end)

    def _note_changes(self, end: int) -> None:
        names = names_changed(self.text[self.at : end])
        self.lexer.changed.extend((name, self.at) for name in names)

    def _bracket(self) -> bool:
        """An array or a process substitution; anything else ends the word."""
        if self.text[self.at : self.at + 2] in ("<(", ">("):
            self._opaque("it runs a command", end_of_round(self.text, self.at + 2))
            return True
        first = self.pieces[0] if len(self.pieces) == 1 else None
        if self.text[self.at] == "(" and first is not None and first.kind is Kind.BARE:
            found = ASSIGNMENT.fullmatch(first.text)
            if found is not None:
                self._add(Kind.ARRAY, "", end_of_round(self.text, self.at + 1))
                return True
        return False


def assignment_of(word: Word) -> tuple[str, str, tuple[Piece, ...]] | None:
    """Name, `=` or `+=` or `[` for an element of an array, and the pieces of the value; None if it assigns nothing.

    A tilde that would become a home folder is an opaque piece. Unreadable for a subscript that may go on.
    """
    first = word.pieces[0] if word.pieces else None
    if first is None or first.kind is not Kind.BARE:
        return None
    found = ASSIGNMENT.match(first.text)
    if found is None:
        element = _ELEMENT.match(first.text)
        if element is None:
            return None
        if not any(piece.kind is Kind.BARE and _CLOSES_SUBSCRIPT.search(piece.text) for piece in word.pieces):
            raise Unreadable(word.begin, "where a subscript ends cannot be told")
        return element[1], "[", ()
    rest = first.text[found.end() :]
    pieces = (Piece(kind=Kind.BARE, text=rest), *word.pieces[1:]) if rest else word.pieces[1:]
    if any(_has_tilde(piece, at == 0 and bool(rest)) for at, piece in enumerate(pieces)):
        pieces = (Piece(kind=Kind.OPAQUE, text="~ stands for a home folder"),)
    return found[1], "[" if found[2] else found[3], pieces


def _has_tilde(piece: Piece, first: bool) -> bool:
    text = piece.text if piece.kind is Kind.BARE else ""
    return ":~" in text or "=~" in text or (first and text.startswith("~"))
