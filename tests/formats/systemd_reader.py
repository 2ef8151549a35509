"""Reads unit files like systemd does, written from systemd.syntax(7) and its parser, not from our writer."""

NAMED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
NAMED |= {char: char for char in "\\\"'"}
DIGITS = {"x": 2, "u": 4, "U": 8}


def options(text: str) -> dict[str, list[tuple[str, str]]]:
    """The options of each section, in order, as they stand there."""
    sections: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] = []
    continued = ""
    # What ends a line for systemd; Python's splitlines knows more ends than that.
    for line in text.replace("\r", "\n").replace("\0", "\n").split("\n"):
        if not continued and line.lstrip(" \t").startswith(("#", ";")):
            continue
        whole = continued + line
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            continued = whole[:-1] + " "
            continue
        continued, stripped = "", whole.strip(" \t")
        if stripped.startswith("["):
            current = sections.setdefault(stripped, [])
        elif stripped:
            name, equals, value = stripped.partition("=")
            assert equals, f"not an option: {stripped!r}"
            current.append((name.rstrip(" \t"), value.strip(" \t")))
    return sections


def words(value: str, *, escapes: bool = True) -> list[str]:
    """A value as a list of words; without `escapes` a backslash only takes the meaning from what follows."""
    found: list[str] = []
    word: str | None = None
    quote = ""
    at = 0
    while at < len(value):
        char = value[at]
        at += 1
        if quote == "" and char in " \t\n\r":
            found += [] if word is None else [word]
            word = None
        elif char == quote:
            quote = ""
        elif quote == "" and char in "\"'":
            quote, word = char, word or ""
        elif char == "\\":
            meant, at = _escape(value, at, escapes)
            word = (word or "") + meant
        else:
            word = (word or "") + char
    assert quote == "", f"unbalanced: {value!r}"
    return found + ([] if word is None else [word])


def without_specifiers(text: str) -> str:
    """With %% for %; anything else after a % would be replaced by something."""
    parts = text.split("%%")
    assert not any("%" in part for part in parts), f"a specifier: {text!r}"
    return "%".join(parts)


def command(value: str, known: dict[str, str]) -> list[str]:
    """What is run for an `ExecStart=`; `known` are variables that could be put in."""
    first, *others = words(value)
    plain = first.startswith(":")
    path = without_specifiers(first.removeprefix(":"))
    assert path.startswith("/"), f"a prefix: {path!r}"
    assert not set(path) & set("\"'\\"), f"not allowed in a program: {path!r}"
    assert not any(char < " " or char == "\x7f" for char in path)
    assert not any(part == ";" for part in value.split()), f"two commands: {value!r}"
    arguments = [without_specifiers(other) for other in others]
    if not plain:
        assert not any("$" in argument for argument in (path, *arguments)), f"a variable ({known}): {value!r}"
    return [path, *arguments]


def _escape(value: str, at: int, escapes: bool) -> tuple[str, int]:
    assert at < len(value), f"a backslash at the end: {value!r}"
    kind = value[at]
    if not escapes:
        return kind, at + 1
    if kind in DIGITS:
        digits = value[at + 1 : at + 1 + DIGITS[kind]]
        assert len(digits) == DIGITS[kind], f"too few digits: {value!r}"
        code = int(digits, 16)
        assert code, "a NUL"
        assert kind != "x" or code < 0x80, "half a character"
        return chr(code), at + 1 + DIGITS[kind]
    return NAMED[kind], at + 1
