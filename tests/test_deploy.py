"""The operator's kit: `ticker deploy` prints it, and each file is used by the program that it is for."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import services
from servers import certificates
from services import Service
from stage import until
from test_protocol import free_port
from test_protocol import nginx_binary as nginx_binary
from websockets.asyncio.client import connect

from ticker import deploy
from ticker.cli import main
from ticker.config import load
from ticker.deploy import KIT

together = pytest.mark.asyncio(loop_scope="module")


# The command.


@pytest.mark.parametrize("name", KIT)
def test_a_file_is_printed_as_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", name]) == 0

    printed = capsys.readouterr()
    assert printed.out == (services.ROOT / "ticker/deploy" / KIT[name].file).read_text()
    assert printed.out.isascii()
    assert printed.err == ""


def test_without_a_name_every_file_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(KIT)
    assert [line for line in lines if len(line) > 79 or len(line.split()) < 4] == []


def test_a_wrong_name_is_answered_with_the_right_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "ngnix"]) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    first, *lines = printed.err.splitlines()
    assert first == 'ticker deploy: no file is named "ngnix". Did you mean "nginx"? Write one of:'
    assert [line.split()[0] for line in lines] == list(KIT)


def test_every_file_of_the_folder_is_in_the_kit() -> None:
    found = {path.name for path in (services.ROOT / "ticker/deploy").iterdir() if path.is_file()}

    assert found - {"__init__.py"} == {part.file for part in KIT.values()}


# The environment.


def variables() -> dict[str, str]:
    """Those of the file, as if every line was active."""
    lines = re.findall(r"^#?([A-Z_]+=.*)$", deploy.text("environment"), re.MULTILINE)
    return dict(shlex.split(line)[0].split("=", 1) for line in lines)


def test_every_variable_of_the_environment_is_understood() -> None:
    given = {name: value for name, value in variables().items() if name.startswith("TICKER_")}
    settings = load(None, environment=given)

    assert settings.redis.url == "redis://poller:PASSWORD@127.0.0.1:6379/0"
    assert settings.redis.sentinel_password.get_secret_value() == "PASSWORD"
    assert settings.sources["openexchangerates"].key.get_secret_value() == "KEY"
    assert settings.server.workers == 2


def test_the_environment_sets_nothing_by_itself() -> None:
    assert [line for line in deploy.text("environment").splitlines() if line and line[0] != "#"] == []


# Proxies. Each is asked for everything that a reader may ask.


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("demo")
    arguments = ("--port", "0", "--every", "1", "--data-dir", f"{folder}/data")
    async with services.running(folder, "demo", *arguments) as service:

        async def has_quotes() -> bool:
            return len(await service.quotes()) == 5

        await until(has_quotes)
        yield service


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A folder with a certificate for 127.0.0.1, and who trusts it."""
    folder = tmp_path_factory.mktemp("certificates")
    certificates(folder)
    return folder, ssl.create_default_context(cafile=folder / "ca.crt")


@asynccontextmanager
async def proxy(*command: str, folder: Path, url: str, trusted: ssl.SSLContext) -> AsyncIterator[None]:
    """A program that answers at this address for as long as it is needed."""
    with (folder / "log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, stdout=log, stderr=log, env=_home(folder)
        )

    async def answers() -> bool:
        assert process.returncode is None, (folder / "log").read_text()
        try:
            async with aiohttp.ClientSession() as client, client.get(f"{url}/readyz", ssl=trusted) as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False

    try:
        await until(answers)
        yield
    finally:
        process.terminate()
        await process.wait()


def _home(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder), "PATH": os.environ["PATH"]}


async def serves_readers(url: str, trusted: ssl.SSLContext) -> None:
    """Every way to read leads through the proxy at this address."""
    async with aiohttp.ClientSession() as client:
        async with client.get(f"{url}/v1/quotes", ssl=trusted) as answer:
            assert len((await answer.json())["quotes"]) == 5
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
            # The demo's own time, which is that of its recording.
            assert parsedate_to_datetime(answer.headers["Date"]).month in (8, 9)
        async with client.get(f"{url}/", ssl=trusted) as answer:
            # By the forwarded scheme and host, the page knows its address.
            assert url in await answer.text()
        async with client.get(f"{url}/v1/events", ssl=trusted) as events:
            assert events.content_type == "text/event-stream"
            async with asyncio.timeout(60):
                found = [json.loads(line[6:])["type"] async for line in _data(events.content)]
            assert found == ["snapshot", "update", "update"]
    async with connect(f"{url.replace('https', 'wss')}/v1/stream", ssl=trusted) as stream:
        async with asyncio.timeout(60):
            told = [json.loads(await stream.recv())["type"] for _ in range(3)]
        assert told[0] == "snapshot"
        assert "update" in told


async def _data(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Three events with data."""
    count = 0
    async for line in content:
        if line.startswith(b"data: "):
            yield line
            if (count := count + 1) == 3:
                return


async def leads_to_tls(port: int, host: str) -> None:
    """Plain HTTP is answered with the same address over TLS."""
    async with (
        aiohttp.ClientSession() as client,
        client.get(
            f"http://127.0.0.1:{port}/v1/quotes?symbols=KGS", headers={"Host": host}, allow_redirects=False
        ) as answer,
    ):
        assert answer.status in (301, 308)
        assert answer.headers["Location"] == f"https://{host}/v1/quotes?symbols=KGS"


NGINX = """
daemon off; master_process off; pid nginx.pid; error_log stderr; events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy;
    fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    include {site};
}}
"""


def here(text: str, changes: dict[str, str]) -> str:
    """The file for this machine: each of these must stand in it."""
    for written, meant in changes.items():
        assert written in text
        text = text.replace(written, meant)
    return text


@pytest.mark.redis
@together
async def test_nginx_takes_the_site_and_serves_readers(
    demo: Service, trust: tuple[Path, ssl.SSLContext], nginx_binary: str, short_path: Path
) -> None:
    folder, trusted = trust
    plain, tls = free_port(), free_port()
    site = here(
        deploy.text("nginx"),
        {
            "listen [::]": "#",
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen 443 ": f"listen 127.0.0.1:{tls} ",
            "rates.example.org;": "127.0.0.1;",
            "/etc/letsencrypt/live/rates.example.org/fullchain.pem": f"{folder}/server.crt",
            "/etc/letsencrypt/live/rates.example.org/privkey.pem": f"{folder}/server.key",
            "/var/www/html": str(short_path),
            "127.0.0.1:8080": f"127.0.0.1:{demo.port}",
            # Nobody listens there: a service that is away.
            "#server 127.0.0.1:8081": f"server 127.0.0.1:{free_port()}",
        },
    )
    (short_path / "site").write_text(site)
    (short_path / "nginx.conf").write_text(NGINX.format(site=short_path / "site"))
    (short_path / ".well-known/acme-challenge").mkdir(parents=True)
    (short_path / ".well-known/acme-challenge/proof").write_text("ours")
    words = (nginx_binary, "-p", str(short_path), "-e", "stderr", "-c", str(short_path / "nginx.conf"))
    tested = await asyncio.to_thread(subprocess.run, [*words, "-t"], capture_output=True, text=True)
    assert (tested.returncode, "warn" in tested.stderr) == (0, False), tested.stderr

    url = f"https://127.0.0.1:{tls}"
    async with proxy(*words, folder=short_path, url=url, trusted=trusted):
        await serves_readers(url, trusted)
        await leads_to_tls(plain, "127.0.0.1")
        status, text = await demo.text(f"http://127.0.0.1:{plain}/.well-known/acme-challenge/proof")
        assert (status, text) == (200, "ours")


@pytest.fixture(scope="session")
def caddy_binary() -> str:
    return shutil.which("caddy") or pytest.fail("no caddy here for its test; install it (apt install caddy)")


@pytest.mark.redis
@pytest.mark.slow
@together
async def test_caddy_takes_the_site_and_serves_readers(
    demo: Service, trust: tuple[Path, ssl.SSLContext], caddy_binary: str, short_path: Path
) -> None:
    folder, trusted = trust
    plain, tls = free_port(), free_port()
    file = short_path / "Caddyfile"
    file.write_text(deploy.text("caddy"))
    words = ("--adapter", "caddyfile", "--config", str(file))
    for verb in (("validate", *words), ("fmt", str(file))):
        tested = await asyncio.to_thread(
            subprocess.run, [caddy_binary, *verb], capture_output=True, text=True, env=_home(short_path)
        )
        assert tested.returncode == 0, tested.stderr
    assert tested.stdout == file.read_text()
    site = here(
        file.read_text(),
        {
            "rates.example.org {": f"127.0.0.1 {{\n\ttls {folder}/server.crt {folder}/server.key",
            "reverse_proxy 127.0.0.1:8080": f"reverse_proxy 127.0.0.1:{free_port()} 127.0.0.1:{demo.port}",
        },
    )
    file.write_text(f"{{\n\tadmin off\n\thttp_port {plain}\n\thttps_port {tls}\n}}\n{site}")

    url = f"https://127.0.0.1:{tls}"
    async with proxy(caddy_binary, "run", *words, folder=short_path, url=url, trusted=trusted):
        await serves_readers(url, trusted)
        await leads_to_tls(plain, "127.0.0.1")
