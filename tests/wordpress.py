"""Debian's WordPress as a site of its own: a database, PHP's server and a folder. At the end all are gone."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from stage import until

PACKAGE, THEME = Path("/usr/share/wordpress"), "twentytwentythree"
PATH = f"{os.environ['PATH']}:/usr/sbin"
TITLE, USER, PASSWORD = "The Daily", "editor", "correct horse battery staple"
START_SECONDS = 100
"""Usual are 2 to 5."""
PARALLEL = "6"
"""The requests that are answered at the same time. The editor asks for many, and WordPress asks itself."""

CONFIG = """<?php
define( 'DB_NAME', 'wordpress' );
define( 'DB_USER', 'root' );
define( 'DB_PASSWORD', '' );
define( 'DB_HOST', 'localhost:{socket}' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'DB_COLLATE', '' );
define( 'FS_METHOD', 'direct' );
define( 'WP_DEBUG', true );
define( 'WP_DEBUG_LOG', '{folder}/debug.log' );
define( 'WP_DEBUG_DISPLAY', false );
define( 'DISABLE_WP_CRON', true );
define( 'AUTOMATIC_UPDATER_DISABLED', true );
define( 'WP_HTTP_BLOCK_EXTERNAL', true );
define( 'WP_ACCESSIBLE_HOSTS', '127.0.0.1' );
$table_prefix = 'wp_';
defined( 'ABSPATH' ) || define( 'ABSPATH', __DIR__ . '/' );
require_once ABSPATH . 'wp-settings.php';
"""
# A real site reaches a service by its name on port 443. Here it is on this machine, on any port. What would
# come from other sites is switched off: pictures of authors, and the directory of blocks.
AROUND = """<?php
add_filter( 'http_request_host_is_external', '__return_true' );
add_filter( 'http_allowed_safe_ports', fn( $x, $y, $url ) => [ parse_url( $url, PHP_URL_PORT ) ], 10, 3 );
add_filter( 'pre_option_show_avatars', fn() => '0' );
add_action( 'admin_init', function () {
    remove_action( 'enqueue_block_editor_assets', 'wp_enqueue_editor_block_directory_assets' );
} );
"""
# Without it, PHP's server takes every address with a dot for that of a file.
ROUTER = """<?php
$file = __DIR__ . '/site' . parse_url( $_SERVER['REQUEST_URI'], PHP_URL_PATH );
if ( is_file( $file ) || is_file( "$file/index.php" ) ) {
    return false;
}
$_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = '/index.php';
require __DIR__ . '/site/index.php';
"""


@dataclass(frozen=True)
class WordPress:
    """A site that answers, without our plugin at first."""

    url: str
    folder: Path

    @property
    def debug_log(self) -> str:
        """What PHP finds wrong."""
        file = self.folder / "debug.log"
        return file.read_text() if file.exists() else ""

    async def sql(self, query: str) -> list[list[str]]:
        """The rows of a query."""
        socket = f"--socket={self.folder}/db.sock"
        words = ("mariadb", "--no-defaults", socket, "--user=root", "--batch", "--skip-column-names")
        text = await _run(*words, "--execute", query, "wordpress")
        return [row.split("\t") for row in text.splitlines()]

    async def php(self, code: str, given: Any = None) -> str:
        """What a script prints that runs within WordPress. It finds what is `given` in a variable."""
        start = "$given = json_decode( stream_get_contents( STDIN ), true );"
        start += f" $_SERVER['HTTP_HOST'] = 'localhost'; require '{self.folder}/site/wp-load.php';"
        return await _run("php", "-r", f"{start} {code}", given=json.dumps(given))

    async def post(self, content: str) -> str:
        """Publish a post with this content; gives its address."""
        post = {"post_title": "News", "post_content": content, "post_status": "publish", "post_author": 1}
        # Nothing is filtered out, as for an administrator. WordPress expects the backslashes of a form.
        code = "kses_remove_filters(); echo wp_insert_post( wp_slash( $given ) );"
        return f"{self.url}/?p={await self.php(code, post)}"


@asynccontextmanager
async def wordpress(folder: Path, port: int) -> AsyncIterator[WordPress]:
    """A new site; the path of its folder has to be short, because it has a socket."""
    for program, package in (("php", "php-cli"), ("mariadbd", "mariadb-server")):
        if not shutil.which(program, path=PATH):
            pytest.fail(f"no {program} here; tests/run --all installs {package}")
    if not (PACKAGE / "wp-content/themes" / THEME).is_dir():
        pytest.fail(f"no WordPress here; tests/run --all installs wordpress and wordpress-theme-{THEME}")
    site = WordPress(f"http://127.0.0.1:{port}", folder)
    await asyncio.to_thread(_unpack, folder)
    async with _database(folder), _server(folder, port):
        await _install(site)
        # The editor greets its user with pictures from another site.
        greeted = "[ 'core/edit-post' => [ 'welcomeGuide' => false ], '_modified' => '2026-11-29T08:00:00Z' ]"
        await site.php(f"update_user_meta( 1, 'wp_persisted_preferences', {greeted} );")
        yield site


def _unpack(folder: Path) -> None:
    """A copy of the package, with a configuration of its own."""
    place = folder / "site"
    ignored = shutil.ignore_patterns("wp-config.php", ".htaccess")
    shutil.copytree(PACKAGE, place, ignore=ignored)
    (place / "wp-config.php").write_text(CONFIG.format(socket=folder / "db.sock", folder=folder))
    (place / "wp-content/mu-plugins").mkdir()
    (place / "wp-content/mu-plugins/around.php").write_text(AROUND)
    (place / "favicon.ico").write_bytes(b"")
    (folder / "router.php").write_text(ROUTER)


@asynccontextmanager
async def _database(folder: Path) -> AsyncIterator[None]:
    user = pwd.getpwuid(os.getuid()).pw_name
    common = ("--no-defaults", f"--datadir={folder}/data", f"--user={user}")
    await _run("mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db")
    # Nobody needs the data of a test after a power cut.
    quick = ("--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--skip-log-bin")
    paths = (f"--socket={folder}/db.sock", f"--pid-file={folder}/db.pid", "--skip-networking")
    async with _process(folder, "mariadbd", *common, *paths, *quick) as process:

        async def answers() -> bool:
            assert process.returncode is None, (folder / "mariadbd.log").read_text()
            words = ("--no-defaults", f"--socket={folder}/db.sock", "--user=root")
            with suppress(AssertionError):
                await _run("mariadb", *words, "--execute", "CREATE DATABASE IF NOT EXISTS wordpress")
                return True
            return False

        await until(answers, START_SECONDS)
        yield


@asynccontextmanager
async def _server(folder: Path, port: int) -> AsyncIterator[None]:
    quick = (
        "-d",
        "opcache.enable_cli=1",
        "-d",
        "opcache.validate_timestamps=1",
        "-d",
        "opcache.revalidate_freq=0",
    )
    words = ("php", *quick, "-S", f"127.0.0.1:{port}", "-t", f"{folder}/site", f"{folder}/router.php")
    async with _process(folder, *words) as process:

        async def answers() -> bool:
            assert process.returncode is None, (folder / "php.log").read_text()
            address = f"http://127.0.0.1:{port}/readme.html"
            try:
                async with aiohttp.ClientSession() as client, client.get(address) as answer:
                    return answer.status == 200
            except aiohttp.ClientConnectionError:
                return False

        await until(answers, START_SECONDS)
        yield


async def _install(site: WordPress) -> None:
    """What an owner fills in once."""
    form = {
        "weblog_title": TITLE,
        "user_name": USER,
        "admin_password": PASSWORD,
        "admin_password2": PASSWORD,
        "admin_email": "editor@example.org",
        "blog_public": "0",
    }
    address = f"{site.url}/wp-admin/install.php?step=2"
    async with aiohttp.ClientSession() as client, client.post(address, data=form) as answer:
        text = await answer.text()
    assert "wp-login.php" in text, text


@asynccontextmanager
async def _process(folder: Path, *command: str) -> AsyncIterator[Process]:
    """A program that is ended with all its children; its log is in the folder."""
    env = {"PATH": PATH, "HOME": str(folder), "PHP_CLI_SERVER_WORKERS": PARALLEL}
    with (folder / f"{command[0]}.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=log, stderr=STDOUT, env=env, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(20):
                await process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _run(*command: str, given: str = "") -> str:
    """What a program prints that succeeds."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=STDOUT, env=os.environ | {"PATH": PATH}
    )
    out, _ = await process.communicate(given.encode())
    assert process.returncode == 0, out.decode()
    return out.decode()
