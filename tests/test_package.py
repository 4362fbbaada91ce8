"""The package for bundlers: what is in it, what it says of the elements, and its use in three frameworks."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from browsers import ENGINES
from newsroom import File, Newsroom
from reader import article, five, look, nothing_was_wrong, quote, saying
from reader import few_pages as few_pages
from reader import staffed_room as staffed_room

from ticker import __version__

if TYPE_CHECKING:
    from tests.conftest import OpenPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[1]
WIDGET = ROOT / "widget"
MANIFEST = json.loads((WIDGET / "custom-elements.json").read_text())
ELEMENTS: dict[str, dict[str, Any]] = {
    each["tagName"]: each
    for module in MANIFEST["modules"]
    for each in module["declarations"]
    if "tagName" in each
}
TAGS = sorted(ELEMENTS)
FRAMEWORKS = ("react", "svelte", "vue")


def run(*command: str, folder: Path) -> str:
    """What a program prints. Fails with all of it if the program does."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def names(of: str, tag: str) -> set[str]:
    return {each["name"] for each in ELEMENTS[tag].get(of, ())}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that would be published, packed from a copy: nothing that lies about gets into it."""
    folder = tmp_path_factory.mktemp("package")
    copy = folder / "widget"
    shutil.copytree(WIDGET, copy, ignore=shutil.ignore_patterns("node_modules", "modules"), symlinks=True)
    shutil.copytree(WIDGET / "src/modules", copy / "src/modules")
    (copy / "node_modules").symlink_to((WIDGET / "node_modules").resolve())
    run("npm", "pack", "--silent", "--pack-destination", str(folder), folder=copy)
    return next(folder.glob("*.tgz"))


# What is in it.


async def test_the_package_is_what_its_description_says(package: Path) -> None:
    with tarfile.open(package) as archive:
        files = {each.name.removeprefix("package/") for each in archive.getmembers()}
        described = json.loads(archive.extractfile("package/package.json").read())  # type: ignore[union-attr]
    targets = [
        path
        for each in described["exports"].values()
        for path in ([each] if isinstance(each, str) else each.values())
    ]

    assert {path.removeprefix("./") for path in targets} <= files
    assert files == {
        "LICENSE",
        "README.md",
        "custom-elements.json",
        "package.json",
        *(f"modules/{name}.js" for name in ("board", "shared", "ticker")),
        *(f"types/{name}.d.ts" for name in ("attributes", "board", "common", "ticker", *FRAMEWORKS)),
    }
    assert described["version"] == __version__
    assert not described.get("private")
    assert not described.get("dependencies")
    assert not {"preinstall", "install", "postinstall", "prepare"} & set(described["scripts"])


async def test_its_licence_is_the_projects() -> None:
    assert (WIDGET / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


async def test_the_manifest_is_that_of_the_declarations(tmp_path: Path) -> None:
    run("node", "manifest.js", f"--outfile={tmp_path / 'made.json'}", folder=WIDGET)

    assert json.loads((tmp_path / "made.json").read_text()) == MANIFEST


async def test_a_server_may_import_it(package: Path, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"type": "module"}')
    modules = tmp_path / "node_modules/currency-ticker-widget"
    shutil.unpack_archive(package, tmp_path)
    modules.parent.mkdir()
    (tmp_path / "package").rename(modules)
    program = """
      const line = await import("currency-ticker-widget");
      const others = await import("currency-ticker-widget/board");
      console.log(Object.keys(line).join(), Object.keys(others).join());
    """
    printed = run("node", "--input-type=module", "--eval", program, folder=tmp_path)

    assert printed.split() == ["CurrencyTicker", "CurrencyBoard,CurrencyConverter,CurrencyQuote"]


async def test_its_page_in_the_registry_is_true(package: Path, room: Newsroom, open_page: OpenPage) -> None:
    with tarfile.open(package) as archive:
        text = archive.extractfile("package/README.md").read().decode()  # type: ignore[union-attr]
        for each in archive.getmembers():
            if each.name.startswith("package/modules/"):
                body = archive.extractfile(each).read()  # type: ignore[union-attr]
                room.site.put(each.name.removeprefix("package"), File(body, "text/javascript"))
    html = re.search(r"```html\n(.*?)```", text, re.DOTALL)
    assert html
    imports = "".join(
        f"import '/modules/{name or 'ticker'}.js';"
        for name in re.findall(r'^import "currency-ticker-widget/?(\w*)";$', text, re.MULTILINE)
    )
    line = html[1].replace("https://HOST", room.server.url) + f"<script type=module>{imports}</script>"
    async with open_page("chromium", height=900) as page:
        await page.open(room.page(article(line=line)))
        await look(page, FIGURES + "".join(f"await filled('{tag}');" for tag in TAGS))
        await nothing_was_wrong(page)


async def test_the_docs_name_the_file_of_this_version(package: Path) -> None:
    assert f"`{package.name}`" in (ROOT / "ticker/docs/embedding.md").read_text()


# What it says of the elements.

SCRIPTS = '<script src="{server}/ticker.js?define"></script><script src="{server}/board.js"></script>'


@pytest.mark.parametrize("tag", TAGS)
async def test_the_manifest_has_the_attributes_and_types_of_the(
    room: Newsroom, open_page: OpenPage, tag: str
) -> None:
    attributes = ELEMENTS[tag]["attributes"]
    async with open_page("chromium") as page:
        await page.open(room.page(article(line=SCRIPTS)))
        observed = await look(page, f"return customElements.get('{tag}').observedAttributes")
        # Each value of a union, a text of the type, and what cannot be read.
        found = await look(
            page,
            """
            const [tag, attributes] = arguments;
            return attributes.map(({ name, fieldName, type: { text } }) => {
              const node = document.createElement(tag);
              const written = (value) => {
                node.setAttribute(name, value);
                return node[fieldName];
              };
              const values = text.match(/(?<=")[^"]*(?=")/g)?.filter((each) => !/[|]/.test(each)) ?? [];
              const [byDefault, junk] = [node[fieldName], written("?!")];
              node.removeAttribute(name);
              return { byDefault, junk, kind: typeof written(/number/.test(text) ? "7" : "kgs=7"),
                       values: values.filter((each) => each && written(each) !== each) };
            });
            """,
            tag,
            attributes,
        )

        assert sorted(observed) == sorted(each["name"] for each in attributes)
        for attribute, seen in zip(attributes, found, strict=True):
            default, text = json.loads(attribute["default"]), attribute["type"]["text"]
            kind = "boolean" if text == "boolean" else "number" if "number" in text else "string"
            assert (attribute["name"], seen["byDefault"]) == (attribute["name"], default)
            assert (attribute["name"], seen["kind"]) == (attribute["name"], kind)
            assert (attribute["name"], seen["values"]) == (attribute["name"], [])
            if '"' in text or "number" in text:
                assert (attribute["name"], seen["junk"]) == (attribute["name"], default)


FIGURES = """
  const node = (tag) => document.querySelector(tag);
  const within = (tag) => plain(node(tag)?.shadowRoot?.textContent ?? "");
  const filled = (tag) => until(() => /\\d[.,]\\d{2,}/.test(within(tag)));
"""
PARTS = """
  // `exportparts` aside, every part that a style sheet of the page can reach.
  const parts = (root) => [...root.querySelectorAll("[part]")].flatMap(({ part }) => [...part]);
  const [tag] = arguments;
  return [...document.querySelectorAll(tag)].flatMap(({ shadowRoot }) => parts(shadowRoot));
"""
STATES = {
    "currency-ticker": [
        "<currency-ticker sparkline link='#{base}'></currency-ticker>",
        "<currency-ticker symbols='XAU'></currency-ticker>",
    ],
    "currency-board": [
        "<currency-board></currency-board>",
        "<currency-board symbols='XAU'></currency-board>",
    ],
    "currency-quote": [
        "<currency-quote symbol='KGS' sparkline></currency-quote>",
        "<currency-quote symbol='TMT' format='inline' sparkline></currency-quote>",
    ],
    "currency-converter": ["<currency-converter to='KGS'></currency-converter>"],
}


@pytest.mark.parametrize("tag", TAGS)
async def test_the_manifest_has_the_parts_of_the(room: Newsroom, open_page: OpenPage, tag: str) -> None:
    async with (
        open_page("chromium", height=900) as page,
        saying(room, *five()[:-1], quote("KGS", "90", "87.45")),
    ):
        await page.open(room.page(article(line="".join(STATES[tag]) + SCRIPTS)))
        await look(page, FIGURES + f"await filled('{tag}')")
        seen = set(await look(page, PARTS, tag))

    assert seen == names("cssParts", tag)


async def test_the_manifest_has_the_variables_of_the_style_sheets() -> None:
    found = {
        "line": set(re.findall(r"--ticker-\w+", (WIDGET / "src/style.js").read_text())),
        "board": set(re.findall(r"--ticker-\w+", (WIDGET / "src/board/style.js").read_text())),
    }

    assert {tag: names("cssProperties", tag) for tag in TAGS} == {
        tag: found["line" if tag == "currency-ticker" else "board"] for tag in TAGS
    }


@pytest.mark.parametrize("tag", TAGS)
async def test_the_manifest_has_the_events_states_and_slots_of_the(
    room: Newsroom, open_page: OpenPage, tag: str
) -> None:
    node = STATES[tag][0]
    async with open_page("chromium", height=900) as page:
        early = """<script>
          window.heard = new Set();
          for (const type of ["quote", "status", "select", "convert", "change"])
            addEventListener(`ticker-${type}`, () => heard.add(`ticker-${type}`));
        </script>"""
        await page.open(room.page(article(line=early + node + SCRIPTS)))
        live = f"heard.has('ticker-quote') && node('{tag}').matches(':state(live)')"
        await look(page, FIGURES + f"await until(() => {live}); await filled('{tag}')")
        chosen = "a, [part~=symbol], [part~=price], select"
        inside = f"[...document.querySelector('{tag}').shadowRoot.querySelectorAll(arguments[0])]"
        await look(page, f"for (const each of {inside}) each.click()", chosen)
        slots = await look(page, f"return {inside}.map(({{ name }}) => name)", "slot")
        assert set(await look(page, "return [...heard]")) == names("events", tag)
        assert {name for name in slots if "/" not in name} == names("slots", tag)
        assert names("cssStates", tag) == {"connecting", "live", "offline"}


# In projects.


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def projects(package: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Fresh projects of each framework, into which the package was installed."""
    folder = tmp_path_factory.mktemp("projects")
    made = {name: folder / name for name in FRAMEWORKS}
    for name, project in made.items():
        shutil.copytree(ROOT / "tests/projects" / name, project)
        options = ("--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")
        await asyncio.to_thread(run, "npm", "install", *options, str(package), folder=project)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", FRAMEWORKS)
async def test_the_project_compiles_under_strict_types(projects: dict[str, Path], name: str) -> None:
    await asyncio.to_thread(run, "npm", "run", "--silent", "check", folder=projects[name])


WRONG = {
    "a speed that is no number": (
        {"react": "speed={90}", "vue": ':speed="90"', "svelte": "speed={90}"},
        'speed="fast"',
    ),
    "a word that is none of its attribute": (
        {each: 'format="inline"' for each in FRAMEWORKS},
        'format="boxed"',
    ),
    "a number of columns": (
        {each: 'columns="price change"' for each in FRAMEWORKS},
        {"react": "columns={3}", "vue": ':columns="3"', "svelte": "columns={3}"},
    ),
    "a field that no quote has": ({each: "detail.symbol" for each in FRAMEWORKS}, "detail.simbol"),
}


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", FRAMEWORKS)
async def test_the_types_of_the_project_find(projects: dict[str, Path], name: str, wrong: str) -> None:
    rights, wrongs = WRONG[wrong]
    source = next((projects[name] / "src").glob("app.*"))
    text = source.read_text()
    assert text.count(rights[name]) == 1
    source.write_text(text.replace(rights[name], wrongs if isinstance(wrongs, str) else wrongs[name]))
    try:
        command = ("npm", "run", "--silent", "check")
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=projects[name], capture_output=True, text=True, check=False
        )
    finally:
        source.write_text(text)

    assert done.returncode != 0
    assert re.search(r"\berror\b", done.stdout + done.stderr, re.IGNORECASE)
    assert source.name in done.stdout


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def addresses(projects: dict[str, Path], room: Newsroom) -> dict[str, str]:
    """The pages of the projects as their bundler builds them."""
    found = {}
    for name, project in projects.items():
        environment = os.environ | {"NODE_ENV": "production"}
        command = ("npx", "vite", "build", "--base", f"/{name}/", "--logLevel", "warn")
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        for file in (project / "dist").rglob("*.*"):
            path, body = f"/{name}/{file.relative_to(project / 'dist')}", file.read_bytes()
            if file.suffix == ".html":
                head = f'<script src="/watch.js"></script><script>var SERVER = "{room.server.url}"</script>'
                body = body.replace(b'<meta charset="utf-8" />', b'<meta charset="utf-8" />' + head.encode())
            kinds = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
            found[name] = room.site.put(path, File(body, kinds[file.suffix]))
        found[name] = f"{room.site.url}/{name}/index.html"
    return found


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", FRAMEWORKS)
async def test_all_elements_work_in_the_project(
    room: Newsroom, addresses: dict[str, str], open_page: OpenPage, name: str, engine: str
) -> None:
    before = await room.subscribers()
    async with open_page(engine, height=900) as page:
        await page.open(addresses[name])
        texts = """
          await until(() => items().length === 2 && within("currency-board").includes("0.01144"));
          await until(() => within("currency-quote").includes("87.45"));
          await until(() => /21[ ,.]?862/.test(within("currency-converter")));
          return [texts(), ticker().speed, ticker().digits, ticker().sparkline];
        """
        found = await look(page, FIGURES + texts)
        assert found[0] == ["KGS/USD = 0.011 0%", "KZT/USD = 0.002 +0.44%"]
        assert found[1:] == [90, 3, True]
        assert await room.subscribers() == before + 1
        chosen = "const said = () => document.querySelector('output').textContent;"
        assert await look(page, chosen + "return said()") == "nothing"
        await look(page, "items()[1].querySelector('a').click()")
        await look(page, chosen + "await until(() => said() === 'KZT/USD')")
        async with saying(room, quote("KGS", "88.00", "87.45")):
            await look(page, FIGURES + "await until(() => /22[ ,.]?000/.test(within('currency-converter')))")
        await nothing_was_wrong(page)
        await page.open("about:blank")
