"""
Takes the pictures of the README from a running demo: `python -m tests.tools.pictures`.

They are the line and the board of the page `/`, in chromium, in the light theme.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests import services
from tests.browsers import Chromium, engine

DOCS = Path(__file__).parents[2] / "ticker" / "docs"
PICTURES = {"line.png": "#line", "board.png": "#quotes"}
"""The file of each picture, and what it shows."""
MOST_BYTES = 60_000
SECONDS = 120
WIDTH, SCALE = 1180, 0.9
SHOWS = "document.querySelector('#quotes').shadowRoot?.querySelectorAll('td [data-status=live]').length === 4"
"""The fifth is pegged."""
AT_ITS_START = "addEventListener('DOMContentLoaded', () => line.toggleAttribute('paused', true))"
DRAWN = "document.querySelector('#quotes').shadowRoot.querySelectorAll('.course[d^=M]').length === 5"


async def take(folder: Path) -> None:
    """Write the pictures into a folder."""
    with tempfile.TemporaryDirectory(prefix="ticker-", dir="/tmp") as path:
        data = ("--data-dir", f"{path}/data", "--every", "600", "--port", "0")
        async with (
            asyncio.timeout(SECONDS),
            services.running(Path(path), "demo", *data) as service,
            engine("chromium") as chromium,
        ):
            assert isinstance(chromium, Chromium)
            async with chromium.page(width=WIDTH, height=900, device_scale_factor=SCALE) as page:
                await page.tab.emulate_media(color_scheme="light")
                await page.preload(AT_ITS_START)
                await page.open(service.url)
                for fact in (SHOWS, DRAWN):
                    while not await page.tab.evaluate(fact):
                        await asyncio.sleep(0.1)
                await asyncio.sleep(1)  # the line is at rest only when its texts have their widths
                for name, selector in PICTURES.items():
                    await page.tab.locator(selector).screenshot(path=folder / name)


if __name__ == "__main__":
    asyncio.run(take(DOCS))
    for name in PICTURES:
        size = (DOCS / name).stat().st_size
        print(f"{name}: {size} bytes")
        if size > MOST_BYTES:
            raise SystemExit(f"{name}: at most {MOST_BYTES} bytes")
