"""
Where the line stands, and how it is told what to show, on pages as sites and caching plugins make them.

A line must stand inside the element that a test expects, with the symbols that it expects.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsers import EACH_ENGINE
from hosts import (
    ALL,
    BLOCKED,
    DEFER,
    KGS,
    KZT,
    MODULE,
    PLACES,
    REFUSED,
    TJS,
    at,
    host,
    placed,
    subscribed,
    tag,
)
from hosts import visits as visits
from newsroom import Newsroom
from reader import FIVE_TEXTS, look, nothing_was_wrong
from reader import staffed_room as staffed_room
from test_widget import SWITCHES

from ticker import assets

if TYPE_CHECKING:
    from tests.conftest import OpenPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

LABELS = json.loads((Path(__file__).parents[1] / "widget/src/labels.json").read_text())
HASHED = assets.address(assets.fingerprint(assets.built("ticker.js")))
"""`ticker.HASH.js`"""


# One run of the script serves one tag.

ELEMENT = '<currency-ticker symbols="KZT"></currency-ticker>'
LATER = f"""<div id="route"></div>
<script>setTimeout(() => document.querySelector("#route").innerHTML = '{ELEMENT}', 300)</script>"""
COMPONENT = f"""<div id="route"></div><script>
  const show = () => {{
    const root = document.querySelector("#route").attachShadow({{ mode: "open" }});
    root.innerHTML = '<p>Rates</p>{ELEMENT}';
  }};
</script>"""
MOUNT = """<script>
  const mount = (place, data = {}) => {
    const script = document.createElement("script");
    script.src = "{server}/ticker.js";
    Object.assign(script.dataset, data);
    place.append(script);
    return script;
  };
</script>"""
EVALUATED = """<script>
  // A deferred loader has blocked scripts by a type of its own. It evaluates them one after the other.
  onload = async () => {
    for (const tag of document.querySelectorAll("script[type='7f-text/javascript']")) {
      const text = await (await fetch(tag.src)).text();
      (0, eval)(text);
    }
  };
</script>"""
INLINED = EVALUATED.replace(
    "(0, eval)(text)",
    'const script = document.createElement("script"); script.text = text; document.head.append(script)',
)
CONSENT = """<script>
  onload = () => {
    const blocked = document.querySelector("[data-consent]");
    const script = document.createElement("script");
    for (const { name, value } of blocked.attributes) if (name !== "type") script.setAttribute(name, value);
    blocked.replaceWith(script);
  };
</script>"""
JQUERY = """<script>
  here.innerHTML = document.querySelector("template").innerHTML;
  const temporary = mount(document.head);
  temporary.onload = () => temporary.remove();
</script>"""

PAGES: dict[str, tuple[str, list[str]]] = {
    "a script": (at("here", tag()), [f"here: {ALL}"]),
    "two scripts": (at("top", tag()) + at("bottom", tag()), [f"bottom: {ALL}", f"top: {ALL}"]),
    "two with data": (at("one", tag(KGS)) + at("two", tag(KZT)), ["one: KGS", "two: KZT"]),
    "one with data, one without": (at("one", tag(KGS)) + at("two", tag()), ["one: KGS", f"two: {ALL}"]),
    "an element of the page": (at("here", ELEMENT) + tag(), ["here: KZT"]),
    "an element after the script": (tag() + at("here", ELEMENT), ["here: KZT"]),
    "an element that is mounted later": (tag() + LATER, ["route: KZT"]),
    "an element that comes after two scripts": (tag() + tag() + LATER, ["route: KZT"]),
    "an element in a component": (f"{COMPONENT}<script>show()</script>{tag()}", ["route: KZT"]),
    "an element in a later component": (
        f"{tag()}{COMPONENT}<script>setTimeout(show, 300)</script>",
        ["route: KZT"],
    ),
    "an element beside a script with data": (at("here", tag(KGS)) + LATER, ["here: KGS", "route: KZT"]),
    "a script that is gone before it arrives": (
        f"{at('here')}{MOUNT}<script>mount(here, {{ symbols: 'KGS' }}).remove()</script>",
        [],
    ),
    "a plain script that is gone before it arrives": (
        f"{at('here')}{MOUNT}<script>mount(here).remove()</script>",
        [],
    ),
    "a script that is mounted twice and gone once": (
        f"{at('here')}{MOUNT}<script>mount(here).remove(); mount(here, {{ symbols: 'KGS' }})</script>",
        ["here: KGS"],
    ),
    "a module": (at("here", tag(KGS, MODULE)), ["here: KGS"]),
    "two modules": (at("one", tag(KGS, MODULE)) + at("two", tag(KZT, MODULE)), ["one: KGS", "two: KZT"]),
    "a module with a version": (at("here", tag(KGS, MODULE, file="ticker.js?ver=6.5")), ["here: KGS"]),
    "a module and a script": (at("one", tag(KGS, MODULE)) + at("two", tag(KZT)), ["one: KGS", "two: KZT"]),
    "a module that is imported": (
        f'<script type="module">import "{{server}}/ticker.js"</script>{at("here", ELEMENT)}',
        ["here: KZT"],
    ),
    "a script of WordPress": (at("here", tag(KGS, DEFER, file="ticker.js?ver=6.5")), ["here: KGS"]),
    "a script in a shadow tree": (
        f"{at('here')}{MOUNT}<script>"
        "mount(here.attachShadow({ mode: 'open' }), { symbols: 'KGS' })</script>",
        ["here: KGS"],
    ),
    "an evaluated script": (at("here", tag(KGS, BLOCKED)) + EVALUATED, ["here: KGS"]),
    "an evaluated script without data": (at("here", tag("", BLOCKED)) + EVALUATED, [f"here: {ALL}"]),
    "an inlined script": (at("here", tag(KGS, BLOCKED)) + INLINED, ["here: KGS"]),
    "two evaluated scripts": (
        at("one", tag(KGS, BLOCKED)) + at("two", tag(KZT, BLOCKED)) + EVALUATED,
        ["one: KGS", "two: KZT"],
    ),
    "an evaluated script with a version": (
        at("here", tag(KGS, BLOCKED, file="ticker.js?ver=6.5")) + EVALUATED,
        ["here: KGS"],
    ),
    "an evaluated script with its hash": (
        at("here", tag(KGS, BLOCKED, file=HASHED)) + EVALUATED,
        ["here: KGS"],
    ),
    "an evaluated script after one without consent": (
        at("no", tag(TJS, REFUSED)) + at("here", tag(KGS, BLOCKED)) + EVALUATED,
        ["here: KGS"],
    ),
    "an evaluated script after one that ran": (
        at("one", tag(KZT)) + at("two", tag(KGS, BLOCKED)) + EVALUATED,
        ["one: KZT", "two: KGS"],
    ),
    "a script without consent": (at("no", tag(TJS, REFUSED)) + at("here", tag(KZT)), ["here: KZT"]),
    "a script with consent": (at("here", tag(KGS, REFUSED)) + CONSENT, ["here: KGS"]),
    "a temporary script of jQuery": (
        f"{at('here')}<template>{tag(KGS)}</template>{MOUNT}{JQUERY}",
        ["here: KGS"],
    ),
    "a script that only defines": (tag(file="ticker.js?define"), []),
    "a script that only defines, and a later element": (tag(file="ticker.js?define") + LATER, ["route: KZT"]),
}


@pytest.mark.parametrize("engine", EACH_ENGINE)
@pytest.mark.parametrize("kind", PAGES)
async def test_the_line_stands_where_its_tag_stands(
    room: Newsroom, open_page: OpenPage, kind: str, engine: str
) -> None:
    body, expected = PAGES[kind]
    async with open_page(engine) as page:
        await page.open(room.page(host(body)))

        assert await placed(page, *expected) == expected
        await nothing_was_wrong(page)


@pytest.mark.parametrize("engine", EACH_ENGINE)
@pytest.mark.parametrize("how", ["async", 'type="module"'])
@pytest.mark.parametrize("data", ["", 'data-symbols="KGS"'])
async def test_a_line_of_a_script_in_the_head_stands_at_the_top(
    room: Newsroom, open_page: OpenPage, engine: str, how: str, data: str
) -> None:
    async with open_page(engine) as page:
        await page.open(
            room.page(host("", head=f'<script {how} src="{{server}}/ticker.js" {data}></script>'))
        )

        expected = f"body: {'KGS' if data else ALL}"
        assert await placed(page, expected) == [expected]
        assert await look(page, "return document.body.firstElementChild === ticker()")
        await nothing_was_wrong(page)


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_where_the_server_is_not_certain_there_is_one_warning_and_no_line(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    other = tag("", 'type="8e-text/javascript"').replace("{server}", "http://127.0.0.1:9")
    body = other + at("here", tag("", BLOCKED)) + EVALUATED
    async with open_page(engine) as page:
        await page.open(room.page(host(body)))

        assert await placed(page) == []
        (warning,) = await look(page, "return await until(() => wrongs.length && wrongs)")
        assert warning.startswith("warn ")
        assert "http://127.0.0.1:9" in warning
        assert room.server.url in warning


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_an_imported_script_asks_its_own_server(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    body = f'<div id="here">{ELEMENT}</div><script type="module">import "{{server}}/ticker.js"</script>'
    async with open_page(engine) as page:
        await page.open(room.page(host(body)))

        assert await placed(page, "here: KZT") == ["here: KZT"]
        assert not [path for path in room.site.asked if path.startswith("/v1/")]
        await nothing_was_wrong(page)


async def test_a_removed_part_of_the_page_leaves_nothing_of_its_line(
    room: Newsroom, open_page: OpenPage
) -> None:
    body = at("here", tag())
    async with open_page("chromium") as page:
        await page.open(room.page(host(body)))
        assert await placed(page, f"here: {ALL}") == [f"here: {ALL}"]
        await subscribed(room, 1)
        await page.run("here.remove()")

        assert await placed(page) == []
        await subscribed(room, 0)


# What to show: switches.

SHOWN = "await until(() => lines().every((line) => of(line).length)); "


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_only_the_text_false_switches_off(room: Newsroom, open_page: OpenPage, engine: str) -> None:
    element = '<currency-ticker symbols="KGS" {0}></currency-ticker>'
    written = [f'{name}="{text}"' for text in ("false", "", "true") for name in SWITCHES]
    body = "".join(element.replace("{0}", each) for each in written) + "{embed}"
    # High enough for all of them to be in sight, as the others stand.
    async with open_page(engine, height=1100) as page:
        await page.open(room.page(host(body)))
        found = await look(
            page,
            PLACES + SHOWN + "return lines().map((line) => "
            "[line.invert, line.sparkline, line.paused, line.static, line.transparent].map(Number).join(''))",
        )
        inverted = await look(page, PLACES + "return lines().map((line) => of(line)[0].dataset.symbol)")
        moving = await look(
            page,
            PLACES + "return lines().map((line) =>"
            " line.shadowRoot.getAnimations().some(({ playState }) => playState === 'running'))",
        )

        assert found == ["00000"] * 5 + ["10000", "01000", "00100", "00010", "00001"] * 2
        assert inverted == ["KGS/USD"] * 15
        assert moving == [True] * 5 + [True, True, False, False, True] * 2
        await nothing_was_wrong(page)


async def test_the_text_false_on_the_script_switches_off(room: Newsroom, open_page: OpenPage) -> None:
    data = f'{KGS} data-paused="false" data-static="false" data-invert="false"'
    async with open_page("chromium") as page:
        await page.open(room.page(host(at("here", tag(data)))))

        assert await placed(page, "here: KGS") == ["here: KGS"]
        assert await look(page, "return [ticker().paused, ticker().static, ticker().invert]") == [False] * 3
        assert await look(page, "return until(async () => await motion() < 0)")
        assert (await look(page, "return texts()")) == FIVE_TEXTS[:1]


@pytest.mark.parametrize("name", SWITCHES)
async def test_a_property_over_the_text_false_is_set_and_taken_back(
    room: Newsroom, open_page: OpenPage, name: str
) -> None:
    async with open_page("chromium") as page:
        await page.open(
            room.page(host(f'<currency-ticker symbols="KGS" {name}="false"></currency-ticker>{{embed}}'))
        )
        await look(page, "await until(() => items().length)")
        found = await look(
            page,
            "const [name] = arguments; const found = [ticker()[name]];"
            "for (const value of [true, false]) { ticker()[name] = value; found.push(ticker()[name]); }"
            "return found",
            name,
        )

        assert found == [False, True, False]
        assert await look(page, "return until(async () => await motion() < 0)")


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_the_button_pauses_over_the_text_false(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    async with open_page(engine) as page:
        await page.open(room.page(host('<currency-ticker paused="false"></currency-ticker>{embed}')))
        await look(page, "await until(() => items().length === 5 && part('pause'))")
        pressed = "return [ticker().paused, part('pause').ariaPressed]"
        click = "part('pause').click(); const before = part('pause').ariaPressed; await moment(100);"
        assert await look(page, pressed) == [False, "false"]

        assert await look(page, click + pressed) == [True, "true"]
        assert await look(page, "return until(async () => await motion() === 0)")
        assert await look(page, click + pressed) == [False, "false"]
        assert await look(page, "return until(async () => await motion() < 0)")


# What to show: pairs.

MEANT = {
    "USD/KGS": "USD/KGS = 87.45 0%",
    "USDKGS": "USD/KGS = 87.45 0%",
    "usd-kgs": "USD/KGS = 87.45 0%",
    "kgsusd": "KGS/USD = 0.01144 0%",
    "KGS-USD": "KGS/USD = 0.01144 0%",
    "kgs": "KGS/USD = 0.01144 0%",
}
"""How a pair is spelled, and what is shown."""
DOLLARS, SOMS = "KGS/USD = 0.01144 0%", "USD/KGS = 87.45 0%"
FOREIGN = {
    "FX_IDC:USDKGS": SOMS,
    "USDKGS=X": SOMS,
    "USD:KGS": SOMS,
    "USD.KGS": SOMS,
    "KGS_USD": DOLLARS,
    "OANDA:KGSUSD": DOLLARS,
    "KGSUSDT": "",
    "XKGS": "",
    "som": "",
}
"""As other sites' widgets spell it, and what it means, if anything."""


@pytest.mark.parametrize("engine", EACH_ENGINE)
@pytest.mark.parametrize("others", ["", "<currency-ticker></currency-ticker>"], ids=["alone", "beside all"])
async def test_a_pair_is_shown_however_it_is_spelled(
    room: Newsroom, open_page: OpenPage, others: str, engine: str
) -> None:
    elements = [f'<currency-ticker symbols="{each}"></currency-ticker>' for each in MEANT]
    async with open_page(engine) as page:
        await page.open(room.page(host("".join(elements) + others + "{embed}")))
        script = (
            SHOWN + "return lines().map((line) => plain(of(line).map((item) => item.textContent).join()))"
        )
        found = await look(page, PLACES + script)

        assert found[: len(MEANT)] == list(MEANT.values())
        await nothing_was_wrong(page)


@pytest.mark.parametrize("spelling", FOREIGN)
async def test_no_spelling_shows_something_else_without_a_word(
    room: Newsroom, open_page: OpenPage, spelling: str
) -> None:
    async with open_page("chromium") as page:
        await page.open(room.page(host(f'<currency-ticker symbols="{spelling}"></currency-ticker>{{embed}}')))
        await look(page, "await until(() => items().length || wrongs.length)")
        # What was refused is refused soon.
        texts = await look(page, "await moment(300); return texts()")
        wrongs = await look(page, "return wrongs")

        if texts:
            assert texts == [FOREIGN[spelling]]
            assert wrongs == []
        else:
            (warning,) = wrongs
            assert warning.startswith("warn ")
            assert spelling.upper() in warning


@pytest.mark.parametrize("engine", EACH_ENGINE)
@pytest.mark.parametrize(
    ("symbols", "served"),
    [("XAU", []), ("USD/XAU", []), ("KGS XAU", FIVE_TEXTS[:1])],
)
async def test_a_pair_that_is_not_served_is_named_in_the_line_and_on_the_console(
    room: Newsroom, open_page: OpenPage, symbols: str, served: list[str], engine: str
) -> None:
    async with open_page(engine) as page:
        await page.open(room.page(host(f'<currency-ticker symbols="{symbols}"></currency-ticker>{{embed}}')))
        script = "const said = () => part('region')?.innerText ?? '';"
        said = await look(page, script + "await until(() => said().includes('XAU')); return said()")
        # A refused stream comes back: it must not be reported again.
        wrongs = await look(page, "await until(() => wrongs.length); await moment(1500); return wrongs")

        assert "…" not in said.splitlines()[0]
        assert len(wrongs) == 1
        assert wrongs[0].startswith("warn ")
        assert "XAU" in wrongs[0]
        assert await look(page, "return texts()") == served


async def test_another_pair_is_not_reported_while_it_is_on_its_way(
    room: Newsroom, open_page: OpenPage
) -> None:
    line = '<currency-ticker symbols="KGS"></currency-ticker>'
    async with open_page("chromium") as page:
        await page.open(room.page(host(f"{line}{{embed}}")))
        await look(page, "await until(() => items().length)")
        # The stream is live, and has never heard of this one.
        await look(page, "ticker().symbols = 'KZT'; await until(() => texts()[0]?.startsWith('KZT'))")
        await look(page, "ticker().replaceWith(ticker().cloneNode()); ticker().symbols = 'TJS'")
        await look(page, "await until(() => texts()[0]?.startsWith('TJS'))")

        await nothing_was_wrong(page)


INVALID = {
    "theme": "drak",
    "speed": "fast",
    "direction": "up",
    "digits": "two",
    "format": "banana",
    "link": "javascript:alert(1)",
    "locale": "not a language",
}


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_an_invalid_attribute_is_reported_once(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    attributes = " ".join(f'{name}="{value}"' for name, value in INVALID.items())
    async with open_page(engine) as page:
        await page.open(room.page(host(f"<currency-ticker {attributes}></currency-ticker>{{embed}}")))
        await look(page, "await until(() => items().length === 5)")
        # Another attribute makes all of them be read again.
        await look(
            page, "ticker().symbols = 'KGS'; await until(() => items().length === 1); await moment(200)"
        )
        wrongs = await look(page, "return wrongs")

        for name, value in INVALID.items():
            (warning,) = [each for each in wrongs if name in each and value in each]
            assert warning.startswith("warn ")
        assert len(wrongs) == len(INVALID)


VALID = [
    'theme="auto"',
    'theme="light"',
    'direction="left"',
    'direction="reverse"',
    'format="line"',
    'speed="12.5"',
]
VALID += [
    'digits="0"',
    'link="/rates/{base}"',
    'locale="de-CH"',
    'locale=""',
    'symbols=""',
    'speed=""',
    'digits=""',
]


async def test_a_valid_attribute_is_not_reported(room: Newsroom, open_page: OpenPage) -> None:
    body = "".join(f"<currency-ticker {each}></currency-ticker>" for each in VALID)
    async with open_page("chromium") as page:
        await page.open(room.page(host(body + "{embed}")))
        await look(page, PLACES + SHOWN)

        await nothing_was_wrong(page)


TAGS = {
    "ru_RU": "ru",
    "RU": "ru",
    "kk_KZ": "kk",
    "uz_UZ": "uz",
    "ky-Cyrl-KG": "ky",
    "tg-TJ": "tg",
    "kz": "kk",
    "KZ": "kk",
    "kg": "ky",
    "tj": "tg",
    "tm": "tk",
    "uz-Cyrl": "uz",
    "uz_Cyrl_UZ": "uz",
    "en_GB": "en",
}
"""Language tags as they are written, and the language that is meant."""


@pytest.mark.parametrize("engine", EACH_ENGINE)
@pytest.mark.parametrize("where", ["locale", "lang"])
async def test_a_language_is_understood_however_it_is_tagged(
    room: Newsroom, open_page: OpenPage, engine: str, where: str
) -> None:
    element = '<currency-ticker symbols="KGS" {0}="{1}"></currency-ticker>'
    body = "".join(element.replace("{0}", where).replace("{1}", tag) for tag in TAGS)
    async with open_page(engine) as page:
        await page.open(room.page(host(body + "{embed}")))
        label = "line.shadowRoot.querySelector('[part~=region]').ariaLabel"
        found = await look(page, f"{PLACES}{SHOWN} return lines().map((line) => {label})")

        rates = {language: LABELS[language].split("|")[0] for language in set(TAGS.values())}
        assert found == [f"{rates[language]} KGS" for language in TAGS.values()]
        await nothing_was_wrong(page)


# Layout.

AROUND = {
    "a row": "display:flex",
    "a row with a long text": "display:flex",
    "a float": "float:left",
    "a float on the right": "float:right",
    "a centred column": "display:flex;flex-direction:column;align-items:center",
    "a row that centres": "display:flex;justify-content:center",
    "a grid": "display:grid;place-items:center",
    "a grid of columns": "display:grid;grid-template-columns:auto auto",
    "an inline block": "display:inline-block",
    "something absolute": "position:absolute",
    "something fixed": "position:fixed;right:0",
    "fit-content": "width:fit-content",
    "max-content": "width:max-content;max-width:100%",
    "min-content": "width:min-content",
    "an inline flex": "display:inline-flex",
    "a table": "display:table",
}
MEASURE = """
const box = (node) => node.getBoundingClientRect();
const sizes = () => ({
  width: box(ticker()).width,
  view: box(part("viewport")).width,
  item: Math.max(...items().map((item) => box(item).width)),
  around: ticker().parentElement.clientWidth,
  page: document.documentElement.scrollWidth,
  window: innerWidth,
});
await until(() => items().length);
await moment(150);
return sizes();
"""


def framed(style: str, attributes: str = "", *, text: str = "") -> str:
    body = f'<div style="{style}"><currency-ticker {attributes}></currency-ticker>{text}</div>{{embed}}'
    return host(body, head="<style>body { margin: 0; font: 16px sans-serif }</style>")


@pytest.mark.parametrize("engine", EACH_ENGINE)
@pytest.mark.parametrize("width", [800, 320])
async def test_a_parent_that_shrinks_leaves_one_item_in_sight(
    room: Newsroom, open_page: OpenPage, engine: str, width: int
) -> None:
    async with open_page(engine, width=width) as page:
        for kind, style in AROUND.items():
            text = f"<p>{'Much text that has to wrap. ' * 20}</p>" if "text" in kind else ""
            await page.open(room.page(framed(style, 'symbols="KGS UZS"', text=text)))
            found = await look(page, MEASURE)

            assert found["width"] >= min(180, found["around"]), (kind, found)
            # In a small window the text beside it is not pushed out.
            if not (text and width < 400):
                # What stands beside the items takes 45 px.
                assert found["view"] >= min(found["item"] - 0.5, width - 64), (kind, found)
            assert found["page"] <= found["window"], (kind, found)


@pytest.mark.parametrize("engine", EACH_ENGINE)
@pytest.mark.parametrize("cell", ["td", 'td align="center"'])
async def test_a_cell_of_a_table_leaves_one_item_in_sight(
    room: Newsroom, open_page: OpenPage, engine: str, cell: str
) -> None:
    table = f"<table><tr><td>Rates<{cell}><currency-ticker symbols=KGS></currency-ticker></table>{{embed}}"
    async with open_page(engine, width=800) as page:
        await page.open(room.page(host(table)))
        found = await look(page, MEASURE)

        assert found["width"] >= 180, found
        assert found["view"] >= found["item"] - 0.5, found
        assert found["page"] <= found["window"], found


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_in_a_narrow_parent_the_line_is_as_wide_as_the_parent(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    async with open_page(engine, width=800) as page:
        for kind in ("block", "flex", "grid", "inline-block", "flow-root", "block;float:left"):
            await page.open(room.page(framed(f"width:100px;display:{kind}")))
            found = await look(page, MEASURE)

            assert found["width"] == pytest.approx(100, abs=0.5), (kind, found)


OWN_WIDTHS = {
    "width: 300px": 300,
    "max-width: 300px": 300,
    "inline-size: 18em": 288,
    "width: 25%": 200,
    "width: calc(25% + 50px)": 250,
}


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_a_width_that_the_page_gives_is_kept(room: Newsroom, open_page: OpenPage, engine: str) -> None:
    async with open_page(engine, width=800) as page:
        for style, width in OWN_WIDTHS.items():
            line = "<currency-ticker class='narrow' symbols='KGS UZS'></currency-ticker>{embed}"
            head = f"<style>body {{ margin: 0; font: 16px sans-serif }} .narrow {{ {style} }}</style>"
            await page.open(room.page(host(line, head=head)))
            found = await look(page, MEASURE)

            assert found["width"] == pytest.approx(width, abs=0.5), (style, found)


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_the_page_never_scrolls_sideways(room: Newsroom, open_page: OpenPage, engine: str) -> None:
    async with open_page(engine, width=320) as page:
        for kind, style in AROUND.items():
            # An item of this is wider than the window.
            await page.open(room.page(framed(style, 'symbols="KZT" format="names" sparkline')))
            found = await look(page, MEASURE)

            assert found["page"] <= found["window"], (kind, found)
            assert found["width"] <= found["window"], (kind, found)


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_the_sources_do_not_decide_how_wide_the_line_is(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    long = f'<span slot="attribution">{"The bank of a country with a long name. " * 5}</span>'
    widths = []
    async with open_page(engine, width=1200) as page:
        for slot in ("", long):
            line = f"<currency-ticker symbols=KGS>{slot}</currency-ticker>"
            await page.open(room.page(host(f'<div style="float:left">{line}</div>{{embed}}')))
            widths.append((await look(page, MEASURE))["width"])

    assert widths[0] == widths[1]


REGISTERED = (
    "shift",
    "loop",
    "height",
    "sign",
    "reserved",
    "squeeze",
    "up",
    "down",
    "muted",
    "warn",
    "tint",
    "arrow",
)
REGISTERED += ("shape", "status", "chart")
RULES = "".join(
    f'@property --{name} {{ syntax: "<angle>"; inherits: false; initial-value: 1deg }}' for name in REGISTERED
)
APPEARANCE = """
await until(() => items().length === 5);
await moment(100);
const told = (node, pseudo) => {
  const { color, width, height, clipPath, backgroundColor } = getComputedStyle(node, pseudo);
  return [color, width, height, clipPath, backgroundColor].join();
};
const item = items()[1];
const nodes = [item, ...item.querySelectorAll("[part]"), part("attribution"), part("pause")];
return [ticker().offsetHeight, ...nodes.flatMap((node) => [told(node), told(node, "::before")])];
"""


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_registered_properties_of_the_page_do_not_change_the_line(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    found = []
    async with open_page(engine) as page:
        for rules in ("", RULES):
            body = "<currency-ticker sparkline></currency-ticker>{embed}"
            await page.open(room.page(host(body, head=f"<style>{rules}</style>")))
            found.append(await look(page, APPEARANCE))

        assert found[1] == found[0]
        assert await look(page, "return until(async () => await motion() < 0)")


@pytest.mark.parametrize("engine", EACH_ENGINE)
@pytest.mark.parametrize("mode", ["vertical-rl", "vertical-lr"])
async def test_a_line_in_a_vertical_text_can_be_read(
    room: Newsroom, open_page: OpenPage, engine: str, mode: str
) -> None:
    style = f"writing-mode:{mode};height:300px"
    around = f'<div style="{style}"><p>Text</p><currency-ticker></currency-ticker></div>{{embed}}'
    async with open_page(engine, width=800) as page:
        await page.open(room.page(host(around)))
        found = await look(page, MEASURE)

        assert found["width"] >= 180
        assert found["view"] >= found["item"]
        assert await look(page, "return ticker().offsetHeight") == 62
        boxes = "return items().map((item) => { const { width, height } = item.getBoundingClientRect();"
        assert all(wide > high for wide, high in await look(page, boxes + "return [width, height] })"))
        assert await look(page, "return until(async () => await motion() < 0)")


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_a_line_keeps_its_style_in_another_document_and_back(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    frame = '<iframe id="popup" style="width:100%"></iframe>'
    body = at("here", "<currency-ticker></currency-ticker>") + frame + "{embed}"
    style = "<style>body { margin: 0; font: 16px sans-serif }</style>"
    state = """
      const line = ticker() ?? popup.contentDocument.querySelector("currency-ticker");
      await until(() => line.shadowRoot.querySelectorAll("[part~=item]").length >= 5);
      const region = getComputedStyle(line.shadowRoot.querySelector("[part~=region]"));
      const bar = getComputedStyle(line.shadowRoot.querySelector("[part~=bar]"));
      return [getComputedStyle(line).display, region.borderTopWidth, bar.display, line.offsetHeight];
    """
    async with open_page(engine) as page:
        await page.open(room.page(host(body, head=style)))
        before = await look(page, state)
        set_up = (
            "const { contentDocument } = popup; contentDocument.body.style = 'margin:0;font:16px sans-serif';"
        )
        await look(page, set_up + "contentDocument.body.append(ticker()); await moment(200)")
        moved = await look(page, state)
        await look(
            page, "here.append(popup.contentDocument.querySelector('currency-ticker')); await moment(200)"
        )
        back = await look(page, state)

        assert before == ["block", "1px", "flex", 62]
        assert moved == before
        assert back == before
        assert await look(page, "return until(async () => await motion() < 0)")
        await nothing_was_wrong(page)


async def test_the_sources_find_their_place_in_the_same_shadow_tree(
    room: Newsroom, open_page: OpenPage
) -> None:
    inside = '<currency-ticker symbols="KGS" attribution="credits"></currency-ticker><p id="credits"></p>'
    body = f"""<p id="credits">of the page</p><div id="here"></div><script>
          here.attachShadow({{ mode: "open" }}).innerHTML = '{inside}';
        </script>{{embed}}"""
    async with open_page("chromium") as page:
        await page.open(room.page(host(body)))
        credit = "const of = (tree) => tree.querySelector('#credits').textContent;"

        assert await look(page, credit + "return until(() => of(here.shadowRoot))") == "Source: NBKR"
        assert await look(page, credit + "return of(document)") == "of the page"


# What a framework finds when it takes over what its server wrote.


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_the_element_has_the_attributes_that_the_page_wrote_and_no_more(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    lines = (
        '<currency-ticker symbols="KGS KZT" class="a"></currency-ticker><currency-ticker></currency-ticker>'
    )
    written = "return [0, 1].map((index) => ticker(index).cloneNode().outerHTML).join('')"
    async with open_page(engine) as page:
        await page.open(room.page(host(lines + "{embed}")))
        await look(
            page, "await until(() => items(0).length === 2 && items(1).length === 5); await moment(200)"
        )
        assert await look(page, written) == lines

        # What a program or a reader does is written, as before.
        found = "const text = ticker().getAttribute('paused');"
        assert await look(page, "part('pause').click();" + found + "return text") == ""
        assert await look(page, "ticker().paused = false;" + found + "return text") is None
        assert await look(page, "ticker().digits = 3; return ticker().getAttribute('digits')") == "3"
        assert (
            await look(page, "return ticker(1).cloneNode().outerHTML")
            == "<currency-ticker></currency-ticker>"
        )
        await nothing_was_wrong(page)


HAS_STATES = """
const has = (state) => { try { return ticker().matches(`:state(${state})`) } catch { return null } };
return ["connecting", "live", "offline"].map(has);
"""


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_the_state_is_a_property_and_a_custom_state(
    room: Newsroom, open_page: OpenPage, engine: str
) -> None:
    async with open_page(engine) as page:
        await page.open(room.page(host("<currency-ticker></currency-ticker>{embed}")))
        await look(page, "await until(() => ticker().state === 'live')")

        assert await look(page, HAS_STATES) in ([False, True, False], [None] * 3)
        assert engine == "webkit" or await look(page, HAS_STATES) == [False, True, False]
        # Another server that nobody answers at.
        await look(
            page, "ticker().src = 'http://127.0.0.1:9'; await until(() => ticker().state === 'connecting')"
        )
        assert await look(page, HAS_STATES) in ([True, False, False], [None] * 3)
        assert await look(page, "return ticker().getAttribute('state')") is None


WITHOUT_STATES = [
    "delete HTMLElement.prototype.attachInternals",
    "HTMLElement.prototype.attachInternals = () => { throw new DOMException('no', 'NotSupportedError') }",
    "Object.defineProperty(ElementInternals.prototype, 'states', { value: undefined })",
    "CustomStateSet.prototype.add = () => { throw new DOMException('only --names', 'SyntaxError') }",
]


@pytest.mark.parametrize("lack", WITHOUT_STATES)
async def test_a_browser_without_custom_states_shows_the_line(
    room: Newsroom, open_page: OpenPage, lack: str
) -> None:
    async with open_page("chromium") as page:
        await page.open(
            room.page(host("<currency-ticker></currency-ticker>{embed}", head=f"<script>{lack}</script>"))
        )
        await look(page, "await until(() => ticker().state === 'live' && items().length === 5)")

        assert await look(page, "return texts()") == FIVE_TEXTS
        await nothing_was_wrong(page)


# The words and names of other languages.

ASKED = """
const asked = () => performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname);
const words = () => asked().filter((path) => /labels|names/.test(path)).sort();
"""


@pytest.mark.parametrize("engine", EACH_ENGINE)
@pytest.mark.parametrize(
    ("language", "attributes", "expected"),
    [
        ("en", "", []),
        ("en", 'format="names"', ["/v1/names/en.json"]),
        ("kk", "", ["/v1/labels/kk.json"]),
        ("kk", 'format="names"', ["/v1/labels/kk.json", "/v1/names/kk.json"]),
    ],
)
async def test_the_words_of_a_language_are_asked_for_once_and_only_where_they_are_shown(
    room: Newsroom, open_page: OpenPage, engine: str, language: str, attributes: str, expected: list[str]
) -> None:
    line = f"<currency-ticker {attributes}></currency-ticker>"
    async with open_page(engine) as page:
        await page.open(room.page(host(line * 3 + "{embed}", html=f'lang="{language}"')))
        await look(page, PLACES + "await until(() => lines().every((line) => of(line).length === 5))")
        await look(page, "await moment(200)")

        assert await look(page, ASKED + "return words()") == expected
        if attributes:
            name = assets.names(language)["KGS"]
            await look(page, "await until(() => texts()[0].startsWith(arguments[0]))", name)
        await nothing_was_wrong(page)


async def test_where_the_words_can_not_be_had_they_are_english(room: Newsroom, open_page: OpenPage) -> None:
    allowed = room.server.url.replace("http", "ws")
    policy = f'<meta http-equiv="Content-Security-Policy" content="connect-src {allowed}">'
    async with open_page("chromium") as page:
        await page.open(
            room.page(host("<currency-ticker></currency-ticker>{embed}", head=policy, html='lang="ru"'))
        )
        await look(page, "await until(() => items().length === 5)")

        assert await look(page, "return part('region').ariaLabel") == "Exchange rates"
        # Figures need no words.
        assert await look(page, "return texts()[0]") == "KGS/USD = 0,01144 0 %"
