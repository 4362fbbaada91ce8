"""The pages of the widget's benchmark: an article without it, with it, and with what it is compared with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

ELEMENT = "<currency-ticker></currency-ticker>"
STATIC = "<currency-ticker static></currency-ticker>"
BOARD = "<currency-board></currency-board>"

# What nobody can do with less: one box of text that the compositor carries.
CARRIED = """
<div style="overflow: clip"><div id=line style="inline-size: max-content; will-change: transform"></div></div>
<script>
line.textContent = "KGS/USD = 0.01144 0% ".repeat(40);
const frames = [{ transform: "none" }, { transform: "translate3d(-1000px, 0, 0)" }];
line.animate(frames, { duration: 20000, iterations: Infinity });
</script>
"""

# What nobody who listens can do with less.
LISTENING = """<script>new WebSocket("STREAM").onmessage = ({ data }) => JSON.parse(data);</script>"""

# As marquees are commonly written: a step in every frame, and all of the text anew with every update.
NAIVE = """
<div style="overflow: hidden; white-space: nowrap"><div id=line style="display: inline-block"></div></div>
<script>
const line = document.getElementById("line"), quotes = {};
new WebSocket("STREAM").onmessage = ({ data }) => {
  for (const quote of JSON.parse(data).quotes ?? []) quotes[quote.symbol] = quote;
  const items = Object.values(quotes).map(({ symbol, price, change_percent }) =>
    `<span><b>${symbol}</b> = <span>${price}</span> <span>${change_percent}%</span></span> \\u2022 `);
  line.innerHTML = items.join("").repeat(4);
};
let at = 0, before = performance.now();
requestAnimationFrame(function step(now) {
  at = (at + (now - before) * 0.05) % (line.offsetWidth / 4 || 1);
  before = now;
  line.style.transform = `translateX(${-at}px)`;
  requestAnimationFrame(step);
});
</script>
"""

ARTICLE = "<p>" + "The rates of the day are set by the national banks in the afternoon. " * 12
PAGE = """<!doctype html><html lang=en><meta charset=utf-8><title>News</title><link rel=icon href="data:,">
<style>body {{ font: 16px sans-serif; margin: 0 }} p {{ padding: 0 10% }}</style>
<h1>News</h1>{body}{text}
"""


@asynccontextmanager
async def site(server: str) -> AsyncIterator[Mapping[str, str]]:
    """A news site that embeds the ticker of `server`; gives the address of each page by its name."""
    stream = server.replace("http", "ws") + "v1/stream"
    script = f'<script async src="{server}ticker.js"></script>'
    bodies = {
        "without": "",
        "carried": CARRIED,
        "listening": LISTENING.replace("STREAM", stream),
        "naive": NAIVE.replace("STREAM", stream),
        "one": ELEMENT + script,
        "ten": ELEMENT * 10 + script,
        "static": STATIC + script,
        "board": BOARD + f'<script async src="{server}board.js"></script>',
    }

    async def page(request: web.Request) -> web.Response:
        body = bodies[request.match_info["name"]]
        return web.Response(text=PAGE.format(body=body, text=ARTICLE * 20), content_type="text/html")

    app = web.Application()
    app.router.add_get("/{name}", page)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        yield {name: address + name for name in bodies}
    finally:
        await runner.cleanup()
