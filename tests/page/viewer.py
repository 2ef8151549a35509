"""A real Chromium without a screen that looks at pages, and everything that it complains about."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MUST = "TESTS_NEED_CHROMIUM"
"""The environment variable with which a missing browser is a failure, not a reason to skip."""
# The page was written at 12:00:40 of this day; see tests/builders.py.
SOON_AFTER = "2026-03-01T12:01:30Z"
WIDE, NARROW = (1400, 900), (360, 740)


def missing() -> str | None:
    """What there is not to look at a page with; None if all is there."""
    try:
        import playwright.sync_api  # noqa: F401 - only whether it is there
    except ImportError:
        return "playwright is not installed: pip install playwright"
    if not any(map(shutil.which, PROGRAMS)):
        return "there is no Chromium: apt-get install chromium"
    return None


def require_browser() -> None:
    """Skip, saying why, where there is no browser; fail where there has to be one."""
    reason = missing()
    if reason is not None and os.environ.get(MUST):
        pytest.fail(reason)
    if reason is not None:
        pytest.skip(reason)


@dataclass(kw_only=True)
class View:
    """A page in a window of its own. `complaints` is what the console said, `requests` what was asked of a network."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def shows(self, selector: str) -> list[str]:
        """The texts of all elements that match and can be seen."""
        found: list[str] = self.page.locator(f"{selector}:visible").all_inner_texts()
        return found

    def evaluate(self, script: str) -> Any:
        return self.page.evaluate(script)

    def column(self, heading: str) -> list[str]:
        """The texts of a column of the table of nodes, from the top."""
        found: list[str] = self.page.locator(f'#node-table td[data-label="{heading}"]').all_text_contents()
        return found

    def look(self, *, size: tuple[int, int] | None = None, scheme: str | None = None) -> None:
        """Go on with the same page in a window of another size, or in the other colours."""
        if size is not None:
            self.page.set_viewport_size({"width": size[0], "height": size[1]})
        if scheme is not None:
            self.page.emulate_media(color_scheme=scheme)

    def hidden_width(self) -> int:
        """By how many pixels the page is wider than its window."""
        width: int = self.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return width


class Browser:
    """A Chromium that is running."""

    def __init__(self, program: Any) -> None:
        self._program = program

    @contextmanager
    def view(
        self,
        where: Path | str,
        *,
        size: tuple[int, int] = WIDE,
        scheme: str = "light",
        now: str | None = SOON_AFTER,
        scripts: bool = True,
    ) -> Iterator[View]:
        """Open a file or an address; `now` is the time that the page's script sees, None for the true one."""
        context = self._program.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce",
            java_script_enabled=scripts,
            locale="en-GB",
            timezone_id="Europe/Berlin",
        )
        try:
            view = View(page=context.new_page())
            view.page.on("console", lambda message: view.complaints.append(message.text))
            view.page.on("pageerror", lambda error: view.complaints.append(str(error)))
            address = where.as_uri() if isinstance(where, Path) else where
            view.page.on(
                "request",
                lambda request: (
                    None if request.url.startswith((address, "data:")) else view.requests.append(request.url)
                ),
            )
            if now is not None:
                view.page.clock.install(time=now)
            view.page.goto(address)
            yield view
        finally:
            context.close()


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium, and end it."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, PROGRAMS)))
    # Its sandbox does not work for root; what it shows is ours.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield Browser(program)
        finally:
            program.close()
