"""The pictures of the page in docs/images, made anew by `python -m tests.page.pictures`."""

import tempfile
from pathlib import Path
from typing import Any

from tests.builders import GB, disk
from tests.page.history import ORDINARY, subject
from tests.page.viewer import browser

from wnm.views.html.page import render

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
CALM = {
    "trouble": False,
    "disks": (disk("/", 43.0), disk("/mnt/ssd-2", 61.0, 4000 * GB)),
    "memory": 61.0,
    "load": 1.4,
}
PICTURES: tuple[tuple[str, dict[str, Any], tuple[int, int], str], ...] = (
    ("status-page.png", CALM, (1280, 1160), "light"),
    ("status-page-phone.png", {"halted": True}, (390, 844), "dark"),
)


def main() -> None:
    """Write both."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with browser() as chromium, tempfile.TemporaryDirectory() as folder:
        for name, changes, size, scheme in PICTURES:
            path = Path(folder, f"{name}.html")
            path.write_text(render(subject(42, texts=ORDINARY, **changes)), encoding="utf-8")
            with chromium.view(path, size=size, scheme=scheme) as view:
                view.page.screenshot(path=IMAGES / name)


if __name__ == "__main__":
    main()
