"""The grammar of bash, as far as it takes to tell what a text does for certain, what perhaps, and what not at all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct
from msgspec.structs import replace

from wnm_adopt.shell_events import Does, Event, Frame, Inside, events_of
from wnm_adopt.shell_scanning import Unreadable, end_of_round, names_assigned, names_changed
from wnm_adopt.shell_words import REDIRECTIONS, Kind, Lexer, Operator, Piece, Token, Word, assignment_of

_DEEPEST = 30
_CLOSING = frozenset({"then", "elif", "else", "fi", "do", "done", "esac", "in", "}", "]]"})
_CASE_ENDS = frozenset({";;", ";&", ";;&"})
_DECLARING = frozenset({"declare", "typeset", "local", "export", "readonly"})


class Parsed(Struct, frozen=True, kw_only=True):
    """What a text does, in order. From offset `broken_at` on it is not understood, because of `broken`."""

    events: tuple[Event, ...]
    broken_at: int | None = None
    broken: str = ""


def parse(text: str) -> Parsed:
    """Take a whole text apart; never fails. A line that is not understood ends it, as it does in bash."""
    return _Parser(text).program()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.lexer = Lexer(text)
        self.token: Token | None = None
        self.events: list[Event] = []
        self.inside: tuple[Inside, ...] = ()
        self.compounds: dict[str, Callable[[], None]] = {
            "if": self._if,
            "while": self._while,
            "until": self._while,
            "for": self._for,
            "select": self._for,
            "case": self._case,
            "{": self._group,
            "[[": self._test,
            "function": self._function,
        }

    def program(self) -> Parsed:
        """One complete line after another: bash runs each before it reads on."""
        while True:
            mark = len(self.events)
            begin = self.lexer.at if self.token is None else self.token.begin
            try:
                self._skip_newlines()
                begin = self._peek().begin
                if self._is(""):
                    return Parsed(events=tuple(self.events))
                self._line()
            except Unreadable as error:
                del self.events[mark:]
                self._give_up(begin)
                return Parsed(events=tuple(self.events), broken_at=error.offset, broken=error.reason)

    def _give_up(self, begin: int) -> None:
        """Nothing from here on is certain, and comments cannot be told from the rest."""
        why = (Piece(kind=Kind.OPAQUE, text="it stands where the file is no longer understood"),)
        changed = [(name, begin) for name in names_changed(self.text[begin:])]
        for name, at in (*changed, *names_assigned(self.text, begin)):
            self.events.append(Event(does=Does.SPOIL, begin=at, name=name, pieces=why))

    def _line(self) -> None:
        while True:
            self._and_or()
            if self._is("\n", ""):
                return
            self._expect(";", "&")
            if self._is("\n", ""):
                return

    def _and_or(self) -> None:
        """Pipelines with `&&` and `||` between them."""
        mark, begin, frame = len(self.events), self._peek().begin, Frame.IF
        self._pipeline()
        while self._is("&&", "||"):
            end = self._peek().begin
            frame = Frame.OR if self._is("||") else frame
            self._next()
            self._skip_newlines()
            # After several of them what has to be true is more than one text.
            unless = ((begin, end),) if frame is Frame.OR else ()
            with self._within(frame, None if unless else (begin, end), unless):
                self._pipeline()
        if self._is("&"):
            self._doubt(mark, "it runs in the background")

    def _pipeline(self) -> None:
        mark = len(self.events)
        while self._is_word("!", "time"):
            word = self._word()
            if word.bare == "time" and self._is_word("-p"):
                self._next()
        self._command()
        piped = self._is("|", "|&")
        while self._is("|", "|&"):
            self._next()
            self._skip_newlines()
            self._command()
        if piped:
            self._doubt(mark, "it is a part of a pipeline")

    def _command(self) -> None:
        token = self._peek()
        if len(self.inside) > _DEEPEST:
            raise Unreadable(token.begin, "it is nested too deep")
        if isinstance(token, Operator):
            if token.text == "(":
                self._round(token)
            elif token.text in REDIRECTIONS:
                self._simple()
            else:
                raise self._unexpected(token)
        elif token.bare in self.compounds:
            self.compounds[token.bare]()
            self._redirections()
        elif token.bare in _CLOSING:
            raise self._unexpected(token)
        else:
            self._simple()

    def _simple(self) -> None:
        assignments: list[Word] = []
        words: list[Word] = []
        redirected = False
        mark = len(self.events)
        while True:
            token = self._peek()
            if isinstance(token, Word):
                self._next()
                is_assignment = not words and assignment_of(token) is not None
                (assignments if is_assignment else words).append(token)
                declares = words and words[0].static in _DECLARING
                if token.is_array and not is_assignment and not declares:
                    raise Unreadable(token.begin, "an array stands where none can be")
            elif token.text in REDIRECTIONS:
                redirected = True
                self._redirection()
            elif token.text == "(" and len(words) == 1 and not assignments and not redirected:
                self._next()
                self._expect(")")
                self._define(words[0])
                return
            else:
                break
        # What its expansions change was noted when they were read; they may come after an assignment.
        expanded = self.events[mark:]
        self._add(events_of(assignments, words, redirected=redirected, text=self.text))
        self.events += expanded

    def _define(self, name: Word) -> None:
        self._skip_newlines()
        if not (self._is("(") or self._is_word(*self.compounds)):
            raise self._unexpected(self._peek())
        self._add([Event(does=Does.DEFINE, begin=name.begin, name=name.static or "")])
        with self._within(Frame.FUNCTION):
            self._command()

    def _function(self) -> None:
        self._next()
        name = self._word()
        if self._is("("):
            self._next()
            self._expect(")")
        self._define(name)

    def _round(self, opening: Operator) -> None:
        if self.text.startswith("((", opening.begin):
            self._arithmetic(opening)
        else:
            self._next()
            with self._within(Frame.SUBSHELL):
                self._list(")")
            self._expect(")")
        self._redirections()

    def _arithmetic(self, opening: Operator) -> None:
        """`((…))`, which is read without taking it apart."""
        end = end_of_round(self.text, opening.begin + 1, arithmetic=True)
        self.lexer.at, self.token = end, None
        self._spoil(names_changed(self.text[opening.begin : end]), opening.begin, "it is calculated")

    def _group(self) -> None:
        self._next()
        with self._within(Frame.GROUP):
            self._list("}")
        self._close("}")

    def _if(self) -> None:
        kind: str | None = "if"
        failed: tuple[tuple[int, int], ...] = ()
        while kind in ("if", "elif"):
            self._next()
            begin = self._peek().begin
            with self._within(Frame.IF if failed else Frame.GROUP):
                self._list("then")
            end = self._peek().begin
            self._close("then")
            with self._within(Frame.IF, (begin, end), failed):
                self._list("elif", "else", "fi")
            failed = (*failed, (begin, end))
            kind = self._peeked_bare()
        if kind == "else":
            self._next()
            with self._within(Frame.IF, None, failed):
                self._list("fi")
        self._close("fi")

    def _while(self) -> None:
        self._next()
        with self._within(Frame.LOOP):
            self._list("do")
            self._close("do")
            self._list("done")
        self._close("done")

    def _for(self) -> None:
        self._next()
        token = self._peek()
        if isinstance(token, Operator) and token.text == "(" and self.text.startswith("((", token.begin):
            self._arithmetic(token)
            if self._is(";"):
                self._next()
        else:
            self._loop_variable(self._word())
        self._skip_newlines()
        with self._within(Frame.LOOP):
            self._close("do")
            self._list("done")
        self._close("done")

    def _loop_variable(self, word: Word) -> None:
        self._spoil([word.static or ""], word.begin, "it is what a loop goes through")
        if self._is(";"):
            self._next()
            return
        self._skip_newlines()
        if self._is_word("in"):
            self._next()
            while isinstance(self._peek(), Word):
                self._word()
            self._expect(";", "\n")

    def _case(self) -> None:
        self._next()
        self._word()
        self._skip_newlines()
        self._close("in")
        self._skip_newlines()
        while not self._is_word("esac"):
            self._pattern()
            with self._within(Frame.CASE):
                self._list("esac", *_CASE_ENDS, may_be_empty=True)
            if self._is(*_CASE_ENDS):
                self._next()
            elif not self._is_word("esac"):
                raise self._unexpected(self._peek())
            self._skip_newlines()
        self._close("esac")

    def _pattern(self) -> None:
        if self._is("("):
            self._next()
        self._word()
        while self._is("|"):
            self._next()
            self._word()
        self._expect(")")

    def _test(self) -> None:
        """`[[ … ]]`, in which operators mean something else."""
        opening = self._next()
        while not self._is_word("]]"):
            token = self._next()
            if isinstance(token, Operator) and token.text not in ("&&", "||", "(", ")", "<", ">", "|", "\n"):
                raise self._unexpected(token)
        if self._peek().begin - opening.begin <= len("[[ "):
            raise self._unexpected(self._peek())
        self._next()

    def _list(self, *closing: str, may_be_empty: bool = False) -> None:
        """Commands up to a word or operator that closes them, which stays unread."""
        self._skip_newlines()
        if self._closes(closing) and not may_be_empty:
            raise self._unexpected(self._peek())
        while not self._closes(closing):
            self._and_or()
            if self._is(";", "&", "\n"):
                self._next()
                self._skip_newlines()
            elif not self._closes(closing):
                raise self._unexpected(self._peek())

    def _closes(self, closing: tuple[str, ...]) -> bool:
        return self._is(*closing) or self._is_word(*closing)

    def _redirections(self) -> None:
        while self._is(*REDIRECTIONS):
            self._redirection()

    def _redirection(self) -> None:
        self._next()
        self._word()

    # Tokens

    def _peek(self) -> Token:
        if self.token is None:
            self.token = self.lexer.next()
            changed, self.lexer.changed = self.lexer.changed, []
            for name, at in changed:
                self._spoil([name], at, "an expansion changes it")
        return self.token

    def _next(self) -> Token:
        token, self.token = self._peek(), None
        if isinstance(token, Operator) and token.text == "":
            raise self._unexpected(token)
        if isinstance(token, Word) and token.may_end:
            self._add([Event(does=Does.STOP, begin=token.begin)])
        return token

    def _is(self, *texts: str) -> bool:
        token = self._peek()
        return isinstance(token, Operator) and token.text in texts

    def _is_word(self, *texts: str) -> bool:
        return self._peeked_bare() in texts

    def _peeked_bare(self) -> str | None:
        token = self._peek()
        return token.bare if isinstance(token, Word) else None

    def _expect(self, *texts: str) -> None:
        if not self._is(*texts):
            raise self._unexpected(self._peek())
        self._next()

    def _close(self, word: str) -> None:
        if not self._is_word(word):
            raise self._unexpected(self._peek())
        self._next()

    def _word(self) -> Word:
        token = self._next()
        if isinstance(token, Operator) or token.is_array:
            raise self._unexpected(token)
        return token

    def _skip_newlines(self) -> None:
        while self._is("\n"):
            self._next()

    def _unexpected(self, token: Token) -> Unreadable:
        shown = token.text if isinstance(token, Operator) else self.text[token.begin : token.end][:20]
        what = {"": "the file ends too early", "\n": "the line ends too early"}.get(shown)
        return Unreadable(token.begin, what or f"{shown!r} is not expected there")

    # Events

    @contextmanager
    def _within(
        self,
        frame: Frame,
        condition: tuple[int, int] | None = None,
        unless: tuple[tuple[int, int], ...] = (),
    ) -> Iterator[None]:
        inside = Inside(frame=frame, condition=condition, unless=unless)
        outside, self.inside = self.inside, (*self.inside, inside)
        yield
        self.inside = outside

    def _add(self, events: list[Event]) -> None:
        doubt = self.inside[-1].frame.value if self.inside else None
        self.events += [replace(event, doubt=event.doubt or doubt, inside=self.inside) for event in events]

    def _spoil(self, names: list[str], begin: int, why: str) -> None:
        pieces = (Piece(kind=Kind.OPAQUE, text=why),)
        self._add([Event(does=Does.SPOIL, begin=begin, name=name, pieces=pieces) for name in names if name])

    def _doubt(self, mark: int, why: str) -> None:
        self.events[mark:] = [replace(event, doubt=why) for event in self.events[mark:]]
