"""How values are written in systemd's unit files, so that each arrives as it is (see systemd.syntax(7))."""

import re
import unicodedata

# Longer lines are refused by systemd, and with them the whole file.
LONGEST_LINE_BYTES = 1024 * 1024 - 1
_BY_NAME = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", '"': '\\"'}


def quoted(text: str) -> str:
    """One word of a list of words, in double quotes: nothing in it separates, expands or ends the line.

    ValueError for what no word can hold: a NUL, or what is not Unicode text.
    """
    _require_text(text)
    return '"' + "".join(_escaped(char) for char in text) + '"'


def word(text: str) -> str:
    """The same, without quotes where none are needed."""
    return text if re.fullmatch(r"[A-Za-z0-9_+=:,./@-]+", text) else quoted(text)


def program(text: str) -> str:
    """The same for a program's path, which is not allowed to need escapes. ValueError if it does."""
    if not text.startswith("/") or text.endswith("/") or set(text) & set("\"'\\"):
        raise ValueError("it has to be an absolute path without quotes and backslashes")
    _require_visible(text)
    return word(text)


def optional_path(text: str) -> str:
    """The same for a path that may be missing, in a list of paths: only quotes and backslashes can be escaped."""
    _require_path(text)
    _require_visible(text)
    # The others would be written by their codes, which older versions do not know here.
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f"-{text}" if word(text) == text else f'"-{escaped}"'


def bare_path(text: str) -> str:
    """A path that is the whole value, where nothing can be escaped but %. ValueError for what cannot stand there."""
    _require_path(text)
    _require_visible(text)
    if text != text.strip() or (len(text) - len(text.rstrip("\\"))) % 2:
        raise ValueError("it cannot end in a space or a backslash")
    return text.replace("%", "%%")


def environment(name: str, value: str) -> str:
    """One assignment for `Environment=`. ValueError for what systemd would leave out: it only warns of it."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("its name is not one")
    if any((char < " " and char not in "\t\n") or char == "\x7f" for char in value):
        raise ValueError("it holds a control character")
    return word(f"{name}={value}")


def unquoted(text: str) -> str | None:
    """What `quoted` was given; None if this is not what it wrote."""
    inner = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', text)
    if inner is None:
        return None
    try:
        value = re.sub(_ESCAPE, _meant, inner[1])
        return value if quoted(value) == text else None
    except (KeyError, ValueError):
        return None


_ESCAPE = re.compile(r"\\(?:x(..)|u(....)|U(.{8})|(.))|(%%)", re.DOTALL)
_MEANT = {escape[1]: char for char, escape in _BY_NAME.items()}


def _meant(found: re.Match[str]) -> str:
    if found[5]:
        return "%"
    number = found[1] or found[2] or found[3]
    return chr(int(number, 16)) if number else _MEANT[found[4]]


def _escaped(char: str) -> str:
    if char == "%":
        return "%%"
    if char in _BY_NAME:
        return _BY_NAME[char]
    if char == " " or char.isprintable():
        return char
    if ord(char) < 0x80:
        return f"\\x{ord(char):02x}"
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def _require_text(text: str) -> None:
    for char in text:
        code = ord(char)
        noncharacter = 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
        if char == "\0" or noncharacter or 0xD800 <= code <= 0xDFFF:
            raise ValueError(f"it holds {char!a}")


def _require_visible(text: str) -> None:
    """What would need an escape where there is none."""
    _require_text(text)
    for char in text:
        if unicodedata.category(char) in ("Cc", "Zl", "Zp"):
            raise ValueError(f"it holds {char!a}")


def _require_path(text: str) -> None:
    if not text.startswith("/") or ".." in text.split("/"):
        raise ValueError("it has to be an absolute path without ..")
