"""From the bytes that a terminal sends to keys by name."""

import codecs

ESCAPE = "\x1b"
_NAMED = {
    "\x1b[A": "up",
    "\x1bOA": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
    "\x1b[H": "home",
    "\x1bOH": "home",
    "\x1b[1~": "home",
    "\x1b[F": "end",
    "\x1bOF": "end",
    "\x1b[4~": "end",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\b": "backspace",
}
_LONGEST_SEQUENCE = 16


class Keys:
    """Keys out of bytes as they come in, however they were cut.

    A key is its name (`up`, `enter`, `esc`) or the character that it writes; sequences of other keys are dropped.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
        self._waiting = ""

    @property
    def is_waiting(self) -> bool:
        """Whether what came could be the beginning of a sequence, or the escape key alone."""
        return bool(self._waiting)

    def feed(self, data: bytes) -> list[str]:
        """The keys that are complete."""
        found = []
        for char in self._decoder.decode(data):
            self._waiting += char
            key = self._complete()
            if key is not None:
                found.append(key)
        return [key for key in found if key]

    def end(self) -> list[str]:
        """Nothing followed in time: an escape that stands alone is the key of that name."""
        alone = self._waiting == ESCAPE
        self._waiting = ""
        return ["esc"] if alone else []

    def _complete(self) -> str | None:
        """The key that the waiting characters are, empty for one without a name, None while more has to come."""
        text = self._waiting
        if text in _NAMED or not text.startswith(ESCAPE):
            self._waiting = ""
            return _NAMED.get(text, text if text.isprintable() else "")
        if text == ESCAPE + ESCAPE:
            self._waiting = ESCAPE
            return "esc"
        if not _is_beginning(text):
            self._waiting = ""
            return ""
        return None


def _is_beginning(text: str) -> bool:
    """Whether an escape sequence goes on: it ends with a letter or a tilde."""
    if len(text) == 1 or text in ("\x1b[", "\x1bO"):
        return True
    last = text[-1]
    return text[1] == "[" and len(text) < _LONGEST_SEQUENCE and not (last.isalpha() or last == "~")
