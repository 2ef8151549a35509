"""Reads what programs written in Rust print when they give up, without colours, frames and the builder's paths."""

import re
from collections.abc import Sequence

ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LONGEST_LINE = 16 * 1024
_CAUSE = re.compile(r"\s{0,8}0: (?P<cause>.*)")
# What color-eyre and clap print around the reason: where in the source it was, frames, hints for programmers.
_NOISE = re.compile(
    r"\s*(?:Location:|(?:/|[A-Za-z]:\\|\./|src/)\S+\.(?:rs|h|c)(?::[0-9]+){0,2}$|[━─-]{3,}|[0-9]{1,4}: .*<unknown>"
    r"|at (?:/|\./|src/)\S+|Backtrace omitted|Run with (?:COLORBT|RUST_BACKTRACE)|note: run with `?RUST_BACKTRACE"
    r"|For more information, try|Usage: |Error:\s*$|\(?[0-9]+ frames? hidden)"
)


def plain(line: str) -> str:
    """A line without colours, line ends and other characters that steer a terminal."""
    text = ESCAPE.sub("", line[:_LONGEST_LINE])
    return "".join(char if char.isprintable() else " " for char in text).rstrip()


def essential(lines: Sequence[str]) -> list[str]:
    """The lines that say something: only the reason where there is one (`0: …`), else all but the noise around it."""
    texts = [text for line in lines if (text := plain(line)).strip()]
    begins = [at for at, text in enumerate(texts) if text.startswith("Error:")]
    if begins:
        report = texts[begins[-1] :]
        if said := report[0].removeprefix("Error:").strip():
            return [said]
        causes = [found["cause"].strip() for text in report if (found := _CAUSE.fullmatch(text))]
        if causes:
            return [causes[0]]
    return [text.strip() for text in texts if not _NOISE.match(text)]
