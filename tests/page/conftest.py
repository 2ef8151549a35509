"""Pages written to files, and the browser that looks at them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.page.history import subject
from tests.page.viewer import Browser, browser, require_browser

from wnm.views.html.page import render

type Written = Callable[..., Path]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for all tests of this folder."""
    require_browser()
    with browser() as started:
        yield started


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Writes the page of so many nodes to a file, each only once."""
    folder = tmp_path_factory.mktemp("pages")

    def write(count: int, **changes: Any) -> Path:
        path = folder / f"{count}-{'-'.join(map(str, changes.items()))}.html"
        if not path.exists():
            path.write_text(render(subject(count, **changes)), encoding="utf-8")
        return path

    return write
