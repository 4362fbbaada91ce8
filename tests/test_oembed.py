"""`/oembed`: what the editors of other sites learn, and how they find it."""

from __future__ import annotations

import asyncio
import html
import json
import re
import time
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
import services
from hypothesis import given, settings
from hypothesis import strategies as st
from stage import until
from test_http import FORWARDED, Site, running
from test_protocol import free_port
from test_protocol import nginx_binary as nginx_binary

from ticker import line, schemas
from ticker.config import ServerSettings, Settings
from ticker.edge import Edge
from ticker.edge.oembed import USUAL_WIDTH
from ticker.rates.model import Cursor, Pair
from ticker.sources import SOURCES
from ticker.store import Store

if TYPE_CHECKING:
    from tests.conftest import Publisher, QuoteOf

ROOT = Path(__file__).parents[1]
FIVE = ("KGS", "KZT", "TJS", "UZS", "TMT")


class Elements(HTMLParser):
    """The elements of a page, each with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def only(self, tag: str) -> dict[str, str]:
        [attributes] = [attributes for name, attributes in self.found if name == tag]
        return attributes


def frame_of(embed: dict[str, Any]) -> dict[str, str]:
    """The attributes of the frame, which is all that there is."""
    [(tag, attributes)] = Elements(embed["html"]).found
    assert tag == "iframe"
    return attributes


def discovered(page: str) -> str:
    """Where a page says that it can be embedded."""
    [href] = [
        attributes["href"]
        for tag, attributes in Elements(page).found
        if tag == "link" and attributes.get("type") == "application/json+oembed"
    ]
    return href


async def asked(site: Site, url: str, more: str = "", **headers: str) -> tuple[int, dict[str, Any]]:
    """The status and the answer for an address."""
    status, _, body = await site.get(f"/oembed?url={quote(url, safe='')}{more}", **headers)
    return status, json.loads(body)


async def embedded(site: Site, url: str, more: str = "", **headers: str) -> dict[str, Any]:
    status, embed = await asked(site, url, more, **headers)
    assert status == 200, embed
    return embed


@pytest.fixture
async def site(store: Store) -> AsyncIterator[Site]:
    async with running(store) as site:
        yield site


@pytest.fixture
async def five(site: Site, publisher: Publisher, quote_of: QuoteOf) -> Cursor:
    """All five are quoted."""
    cursor = await publisher.say(*(quote_of(code, "87.45") for code in FIVE))
    await site.reached(cursor)
    return cursor


# What can be embedded.


async def test_the_page_is_embedded_as_the_frame_of_the_docs(site: Site) -> None:
    base = site.url.rstrip("/")
    embed = await embedded(site, f"{base}/")
    frame = frame_of(embed)
    text = (ROOT / "ticker/docs/embedding.md").read_text()
    documented = Elements(re.findall(r"^<iframe.*$", text, re.MULTILINE)[0]).only("iframe")

    assert embed.items() >= {"version": "1.0", "type": "rich", "title": "Exchange rates"}.items()
    assert (embed["provider_name"], embed["provider_url"]) == ("Currency rate ticker", f"{base}/")
    assert schemas.openapi()["info"]["title"] == embed["provider_name"]
    assert (embed["width"], embed["height"], embed["cache_age"]) == (USUAL_WIDTH, line.HIGH, 86400)
    assert (frame.pop("width"), frame.pop("height"), frame.pop("frameborder")) == ("600", "62", "0")
    assert frame == {name: text.replace("https://HOST", base) for name, text in documented.items()}


@pytest.mark.parametrize(
    "path", ["", "/", "/?", "/?utm_source=x#how", "/#embed", "/v1/line.html", "/v1/line.html#"]
)
async def test_every_spelling_of_an_address_of_ours_is_understood(path: str, site: Site) -> None:
    base = site.url.rstrip("/")
    for url in (f"{base}{path}", f" {base}{path}\n", f"HTTP{base.removeprefix('http')}{path}"):
        assert frame_of(await embedded(site, url))["src"] == f"{base}/v1/line.html"


async def test_a_frame_has_the_parameters_of_its_address(site: Site) -> None:
    base = site.url.rstrip("/")
    given = "symbols=tjs,usdkgs%20TJS&locale=ky_KG&theme=dark&digits=3&invert=1&format=names&width=300&x=1"
    embed = await embedded(site, f"{base}/v1/line.html?{given}")

    assert frame_of(embed)["src"] == (
        f"{base}/v1/line.html?symbols=TJS/USD,USD/KGS&locale=ky&theme=dark&digits=3&invert=1&format=names"
    )
    assert embed["title"] == frame_of(embed)["title"] == "Валюта курстары"
    assert frame_of(await embedded(site, f"{base}/?lang=kk"))["src"] == f"{base}/v1/line.html?locale=kk"
    # The page is not in Arabic, and so not from the right.
    assert frame_of(await embedded(site, f"{base}/?lang=ar"))["src"] == f"{base}/v1/line.html"
    twice = f"{base}/v1/line.html?theme=dark&theme=light&symbols=KGS&symbols=TJS"
    assert frame_of(await embedded(site, twice))["src"] == f"{base}/v1/line.html?symbols=KGS/USD&theme=dark"


LOOKS = st.fixed_dictionaries(
    {},
    optional={
        "locale": st.sampled_from(("en", "ru", "uz_Cyrl", "ar", "uz-Arab", "kz", "de", "<b>", "")),
        "theme": st.sampled_from(("auto", "light", "dark", "pink")),
        "digits": st.sampled_from(("0", "5", "12", "13", "")),
        "invert": st.sampled_from(("1", "", "0", "false")),
        "format": st.sampled_from(("line", "compact", "names", "x")),
        "width": st.sampled_from(("80", "4000", "79", "")),
    },
)


@settings(deadline=None)
@given(query=LOOKS)
def test_the_query_of_a_look_gives_that_look(query: dict[str, str]) -> None:
    look = line.look(query)

    assert line.look(line.asked(look)) == look
    assert line.asked(line.look({})) == {}


# How large.


async def test_a_frame_is_no_wider_than_the_site_permits(site: Site) -> None:
    url = site.url
    for width in (1, 320, 1200):
        embed = await embedded(site, url, f"&maxwidth={width}&maxheight=62&dnt=1")
        assert (embed["width"], embed["height"], frame_of(embed)["width"]) == (width, 62, str(width))
        assert f"max-width:{width}px;" in frame_of(embed)["style"]
    assert (await embedded(site, url, "&maxwidth=999999999"))["width"] == line.WIDEST
    for none in ("&maxwidth=0&maxheight=0", "&maxwidth=&maxheight="):
        assert await embedded(site, url, none) == await embedded(site, url)
    needs = schemas.openapi()["components"]["parameters"]["maxheight"]["description"]
    assert needs.endswith(f"A frame needs {line.HIGH}.")
    status, problem = await asked(site, url, "&maxheight=61")
    assert (status, problem["detail"]) == (404, "the line is 62 px high, and maxheight is 61")


async def test_a_picture_is_embedded_as_a_picture_in_its_size(site: Site, five: Cursor) -> None:
    base = site.url.rstrip("/")
    for query, most in (
        ("", ""),
        ("?symbols=KGS&theme=dark", ""),
        ("?width=400", ""),
        ("", "&maxwidth=500"),
        ("?width=900", "&maxwidth=500"),
        ("?symbols=KGS", "&maxwidth=4000&maxheight=4000"),
    ):
        embed = await embedded(site, f"{base}/v1/line.svg{query}", most)
        assert embed["type"] == "photo"
        assert embed["url"].startswith(f"{base}/v1/line.svg")
        _, _, body = await site.get(embed["url"].removeprefix(base))
        width, height = re.findall(r' (?:width|height)="(\d+)"', body.decode())[:2]
        assert (embed["width"], embed["height"]) == (int(width), int(height))
        assert embed["width"] <= int(re.sub(r"\D*(\d*).*", r"\1", most) or 4000)
    # What is too high or very narrow is scaled.
    low = await embedded(site, f"{base}/v1/line.svg?width=400", "&maxheight=50&maxwidth=300")
    narrow = await embedded(site, f"{base}/v1/line.svg", "&maxwidth=10&maxheight=2000")
    assert (low["height"], low["width"] < 300) == (50, True)
    assert (narrow["width"], narrow["height"] < 100) == (10, True)
    assert narrow["url"].endswith(f"?width={line.NARROWEST}")


async def test_before_the_quotes_are_read_only_pictures_have_to_wait(open_store: Any) -> None:
    settings = Settings(symbols=tuple(Pair(code, "USD") for code in FIVE), server=ServerSettings(port=0))
    async with open_store("unix:///nowhere/redis.sock") as store:
        edge = Edge(store, settings, dict(SOURCES), enabled=frozenset())
        async with edge.serving() as url, aiohttp.ClientSession(url, auto_decompress=False) as session:
            site = Site(edge, url, session)
            assert (await asked(site, url))[0] == 200
            status, headers, body = await site.get(f"/oembed?url={quote(url)}v1/line.svg")
    assert (status, "Retry-After" in headers) == (503, True)
    assert json.loads(body)["detail"] == "The quotes have not been read from Redis yet"


# What cannot.


def foreign(base: str) -> tuple[str, ...]:
    host = urlsplit(base).netloc
    return (
        "javascript:alert(1)",
        f"javascript://{host}/%0aalert(1)",
        f"data:text/html,{base}/",
        f"ftp://{host}/",
        f"//{host}/",
        f"{host}/",
        "/v1/line.html",
        "x",
        "https://theirs.example/",
        f"https://theirs.example/?{base}/",
        f"https://theirs.example/#{base}/",
        f"http://{host}.theirs.example/",
        f"http://theirs.example%2f@{host}/",
        f"http://user@{host}/",
        f"http://user:word@{host}/",
        f"http://{host}@theirs.example/",
        f"http://{host}:1/",
        f"http://{host}\\@theirs.example/",
        f"http:///{host}/",
        f"http:/{host}/",
        f"http:\\\\{host}\\",
        f"http://{host}%00/",
        f"http://{host}\t/",
        f"ht\ntp://{host}/",
        f"{base}/..",
        f"{base}/../",
        f"{base}/v1/../v1/line.html",
        f"{base}/./v1/line.html",
        f"{base}//v1/line.html",
        f"{base}/v1/line.html/",
        f"{base}/v1%2Fline.html",
        f"{base}/v1/line%2ehtml",
        f"{base}/%76%31/line.html",
        f"{base}/v1/line.html;x",
        f"{base}/v1/line.htm",
        f"{base}/v1/quotes",
        f"{base}/ticker.js",
        f"{base}/oembed?url={base}/",
        f"{base}/V1/LINE.HTML",
        f"{base}/\x00",
        f"{base}/\ud800",
        f"{base}/{'x' * 5000}",
    )


async def test_what_is_not_ours_is_not_found(site: Site, five: Cursor) -> None:
    base = site.url.rstrip("/")
    for url in foreign(base):
        given = quote(url, safe="", errors="surrogatepass")
        status, _, body = await site.get(f"/oembed?url={given}")
        assert status == 404, url
        assert len(body) < 400
        assert "x" * 50 not in body.decode()


async def test_an_address_of_symbols_that_are_none_is_not_found(site: Site, five: Cursor) -> None:
    base = site.url.rstrip("/")
    for path in ("/v1/line.html", "/v1/line.svg"):
        for symbols, words in (("XYZ", "XYZ/USD is not served here"), ("%3Cb%3E", "is not a symbol")):
            status, problem = await asked(site, f"{base}{path}?symbols={symbols}")
            assert (status, words in problem["detail"]) == (404, True), problem


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ("", 400, "url is missing, the address to embed"),
        ("url=", 400, "url is missing, the address to embed"),
        ("uri=x", 400, "url is missing, the address to embed; unknown parameter 'uri', did you mean 'url'?"),
        ("url={0}&url={0}", 400, "url may be given once"),
        ("url={0}&maxwidth=1&maxwidth=2", 400, "maxwidth may be given once"),
        ("url={0}&maxwidth=-1", 400, "maxwidth must be a whole number of pixels"),
        ("url={0}&maxwidth=1e3", 400, "maxwidth must be a whole number of pixels"),
        ("url={0}&maxwidth=%D9%A1", 400, "maxwidth must be a whole number of pixels"),
        ("url={0}&maxwidth=1%0A", 400, "maxwidth must be a whole number of pixels"),
        ("url={0}&maxheight=" + "9" * 5000, 400, "maxheight must be a whole number of pixels"),
        ("url={0}&format=xml", 501, "the only format is json"),
        ("url={0}&format=jsonp&callback=x", 501, "the only format is json"),
    ],
)
async def test_wrong_parameters_are_told_in_words(query: str, status: int, detail: str, site: Site) -> None:
    found, headers, body = await site.get(f"/oembed?{query.format(quote(site.url, safe=''))}")

    assert (found, json.loads(body)["detail"]) == (status, detail)
    assert headers["Content-Type"].startswith("application/problem+json")


async def test_names_that_editors_add_are_ignored(site: Site) -> None:
    url = site.url
    plain = await embedded(site, url)

    for more in ("&format=json", "&format=JSON", "&dnt=1", "&omit_script=1&lang=de", "&_=1", "&x&y=%00"):
        assert await embedded(site, url, more) == plain


HOSTILE = (
    '"><script>alert(1)</script>',
    "' onload='alert(1)",
    "</iframe><img src=x onerror=alert(1)>",
    "&quot; onload=alert(1) x=&quot;",
    "javascript:alert(1)",
    "\x00\r\nSet-Cookie: a=b",
    "\u202e\ufeff",
    "%22%3E%3Cb%3E",
)


@pytest.mark.parametrize(
    "name", ["locale", "theme", "digits", "invert", "format", "width", "x", '"><b>', "on"]
)
async def test_nobody_puts_anything_into_the_frame(name: str, site: Site, five: Cursor) -> None:
    base = site.url.rstrip("/")
    for text in HOSTILE:
        query = f"{quote(name)}={quote(text)}#{text}"
        frame = frame_of(await embedded(site, f"{base}/v1/line.html?symbols=KGS&{query}"))
        assert frame.keys() == {"src", "title", "loading", "width", "height", "frameborder", "style"}
        allowed = ("", "&invert=1") if name == "invert" else ("",)
        assert frame["src"] in {f"{base}/v1/line.html?symbols=KGS/USD{more}" for more in allowed}
        photo = await embedded(site, f"{base}/v1/line.svg?symbols=KGS&{query}")
        assert photo["url"] in {f"{base}/v1/line.svg?symbols=KGS/USD{more}" for more in allowed}


async def test_a_host_that_a_client_makes_up_stays_text(site: Site) -> None:
    plain = Elements((await site.get("/"))[2].decode()).found
    for host in ('a"><script>', "a<b", "a'b", "[::1]", "a b", "a>; rel=x", "{{integrity}}", "a\udcff"):
        for path in ("/", "/v1/line.html", "/v1/line.svg"):
            answer = await answered(site, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            head, _, page = answer.partition("\r\n\r\n")
            assert head.startswith("HTTP/1.1 200"), head
            if path == "/":
                assert [tag for tag, _ in Elements(page).found] == [tag for tag, _ in plain]
            if path.endswith("svg"):
                [link] = re.findall(r"^Link: (.*)$", head, re.MULTILINE)
                assert re.fullmatch(r'<[^<>"\s]+>; rel="alternate"; type="[a-z/+]+"\r', link)
            else:
                assert re.fullmatch(r"http://[^<>\"'\s{]+/oembed\?url=http[^<>\"'\s{]+", discovered(page))


async def answered(site: Site, request: str) -> str:
    """The whole answer to a request as it is written."""
    address = urlsplit(site.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(request.encode(errors="surrogateescape"))
    body = (await reader.read()).decode()
    writer.close()
    return body


async def test_an_address_of_thousands_of_parameters_takes_no_time(site: Site, five: Cursor) -> None:
    many = "&".join(f"{n:x}=%22" for n in range(700))
    start = time.monotonic()
    for _ in range(20):
        assert (await asked(site, f"{site.url}v1/line.html?symbols={'KGS,' * 150}&{many[:3000]}"))[0] == 200

    assert time.monotonic() - start < 20


# How it is found.


BASES = [
    ({}, FORWARDED, "https://rates.example/fx"),
    ({}, {"Host": "Rates.Example:8080"}, "http://Rates.Example:8080"),
    ({}, {"Host": "[::1]:8080"}, "http://[::1]:8080"),
    ({"public_url": "https://own.example/rates"}, FORWARDED, "https://own.example/rates"),
]


@pytest.mark.parametrize(("server", "headers", "base"), BASES)
async def test_both_pages_and_the_picture_say_where_it_is(
    server: dict[str, Any],
    headers: dict[str, str],
    base: str,
    store: Store,
    publisher: Publisher,
    quote_of: QuoteOf,
) -> None:
    async with running(store, **server) as site:
        await site.reached(await publisher.say(quote_of("KGS", "87")))
        for path, src in (
            ("/", "/v1/line.html"),
            ("/v1/line.html", "/v1/line.html"),
            ("/v1/line.html?_=1&locale=ar&symbols=KGS", "/v1/line.html?symbols=KGS/USD&locale=en-Arab"),
        ):
            href = discovered((await site.get(path, **headers))[2].decode())
            assert href.startswith(f"{base}/oembed?url=")
            # The proxy removes what it adds to a path.
            _, _, body = await site.get(f"/oembed?{href.partition('?')[2]}", **headers)
            assert frame_of(json.loads(body))["src"] == base + src
        _, told, _ = await site.get("/v1/line.svg?symbols=KGS&width=300", **headers)

    href, rel, kind = told["Link"].split("; ")
    assert (rel, kind) == ('rel="alternate"', 'type="application/json+oembed"')
    assert href == f"<{base}/oembed?url={quote(f'{base}/v1/line.svg?symbols=KGS/USD&width=300', safe='')}>"


@pytest.mark.parametrize(
    ("server", "headers", "url"),
    [
        ({}, FORWARDED, "https://rates.example/"),
        ({}, FORWARDED, "https://rates.example/fxv1/line.html"),
        ({}, FORWARDED, "https://rates.example/fx/fx/"),
        ({}, {"Host": "a.example"}, "https://b.example/"),
        # Anybody may write these headers who is no proxy of ours.
        ({"trusted_proxies": ()}, FORWARDED | {"Host": "a.example"}, "https://rates.example/fx/"),
        ({"public_url": "https://own.example/rates"}, {"Host": "a.example"}, "https://a.example/"),
    ],
)
async def test_only_the_public_address_is_ours(
    server: dict[str, Any], headers: dict[str, str], url: str, store: Store
) -> None:
    async with running(store, **server) as site:
        assert (await asked(site, url, **headers))[0] == 404


async def test_the_usual_port_and_a_proxy_that_hides_its_tls_do_not_matter(site: Site) -> None:
    for url, host, base in (
        ("https://a.example:443/", "a.example", "https://a.example"),
        ("http://A.example:80", "a.example", "http://a.example"),
        ("https://a.example/v1/line.html", "a.example", "https://a.example"),
    ):
        embed = await embedded(site, url, Host=host)
        assert frame_of(embed)["src"] == f"{base}/v1/line.html"
        assert embed["provider_url"] == f"{base}/"


async def test_lines_of_one_look_are_drawn_once_for_each_address_of_the_service(
    site: Site, five: Cursor
) -> None:
    shelf = site.routes._lines.shelf
    for host in ("a.example", "b.example"):
        for locale in ("ru", "ru-KZ", "RU"):
            await site.get(f"/v1/line.html?locale={locale}&_={locale}", Host=host)

    assert len(shelf) == 2


# As an editor does it, through a proxy.

NGINX = """
daemon off; master_process off; pid nginx.pid; error_log stderr; events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy;
    fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port};
        location /fx/ {{
            proxy_pass http://127.0.0.1:{service}/;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Prefix /fx;
        }}
    }}
}}
"""


async def test_below_a_path_of_a_proxy_an_editor_finds_the_frame(nginx_binary: str, short_path: Path) -> None:
    port = free_port()
    arguments = ("--port", "0", "--every", "1", "--data-dir", f"{short_path}/data")
    async with services.running(short_path, "demo", *arguments) as service, aiohttp.ClientSession() as client:
        (short_path / "nginx.conf").write_text(NGINX.format(port=port, service=service.port))
        words = ("-p", str(short_path), "-e", "stderr", "-c", str(short_path / "nginx.conf"))
        process = await asyncio.create_subprocess_exec(nginx_binary, *words)
        try:
            base = f"http://127.0.0.1:{port}/fx"

            async def text(address: str) -> str:
                async with client.get(address) as answer:
                    assert answer.status == 200, await answer.text()
                    return await answer.text()

            async def shows() -> bool:
                try:
                    return 'data-symbol="KGS/USD"' in await text(f"{base}/v1/line.html")
                except (AssertionError, aiohttp.ClientConnectionError):
                    return False

            await until(shows)
            for page in (f"{base}/", f"{base}/v1/line.html?symbols=KGS&theme=dark"):
                embed = json.loads(await text(f"{discovered(await text(page))}&maxwidth=650&format=json"))
                src = html.unescape(frame_of(embed)["src"])
                assert src.startswith(f"{base}/v1/line.html")
                assert 'data-symbol="KGS/USD"' in await text(src)
        finally:
            process.terminate()
            await process.wait()
