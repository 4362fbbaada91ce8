"""`ticker config check` and `show`: nothing is started, everything is said."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis
from services import running
from stage import until

from ticker import __version__
from ticker.cli import main
from ticker.config import Settings, keys, load, shown
from ticker.config.keys import ROOT, leaves
from ticker.config.secrets import bare
from ticker.config.settings import RedisSettings
from ticker.sources import SOURCES
from ticker.store import LeaseLost, Store

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"

EVERYTHING = """
symbols = ["KGS", "EUR/KGS"]
label = "a-b"
policy = { "KGS" = ["nbkr", "cbr"], "EUR/KGS" = "market" }
[server]
origins = ["https://news.example"]
trusted_proxies = []
drain_seconds = 0.25
[redis]
data_dir = 'C:\\data "x" é'
[guard]
tolerance_percent = 0.05
[guard.tolerances]
[guard.bands]
KGS = [60.125, 130]
[pegs]
[sources.nbk]
enabled = false
closed_days = [2027-03-22]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "c.toml"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data of nobody, and no variable of ours."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("TICKER_REDIS_URL", raising=False)
    return tmp_path / "state" / "currency-ticker" / "serve"


@pytest.mark.parametrize("text", ["", EVERYTHING, EXAMPLE.read_text()])
def test_what_is_shown_can_be_loaded_and_is_the_same(text: str, file: Path, tmp_path: Path) -> None:
    file.write_text(text)
    before = load(file, environment={})
    again = tmp_path / "again.toml"
    again.write_text(shown(before))

    after = load(again, environment={})

    assert after.model_copy(update={"sources": before.sources}) == before
    assert shown(after) == shown(before)
    assert after.source("nbkr").enabled is True
    assert after.source("nbkr").interval_seconds == 3600


def test_every_key_is_shown() -> None:
    lines = [line.partition(" = ")[0] for line in shown(load(None, environment={})).splitlines()]

    assert {path[-1] for path, _ in leaves(ROOT) if path[-1] != "*"} <= {*lines}
    assert {f"[sources.{key}]" for key in SOURCES} <= {*lines}


def test_what_is_in_effect_is_shown_without_its_secrets(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text('[server]\nport = 1\n[sources.nbk]\nbase_url = "http://u:hunter4@h"\n')
    monkeypatch.setenv("TICKER_REDIS_URL", "redis://:hunter2@h/1")
    monkeypatch.setenv("TICKER_ERAPI_KEY", "hunter3")
    monkeypatch.setenv("TICKER_SERVER__PORT", "9000")

    assert main(["config", "show", str(file)]) == 0

    out = capsys.readouterr().out
    assert "hunter" not in out
    assert "\nport = 9000\n" in out
    assert '\n# url = "redis://:***@h/1" has a secret. Set TICKER_REDIS_URL.\n' in out
    assert '\n# base_url = "http://u:***@h" has a secret. Set TICKER_SOURCES__NBK__BASE_URL.\n' in out
    assert "\n# key is a secret. Set TICKER_ERAPI_KEY.\n" in out
    file.write_text(out)
    assert load(file, environment={"TICKER_REDIS_URL": "redis://h"}).server.port == 9000


@pytest.mark.parametrize(
    "address", ["redis://:pw@h", "redis://u:p@h", "redis://pw@h", "unix:///s?password=x"]
)
def test_however_short_a_password_is_it_is_not_shown(
    address: str,
) -> None:
    settings = Settings(redis=RedisSettings(read_url=address))

    [line] = [each for each in shown(settings).splitlines() if "read_url" in each]

    assert line == f'# read_url = "{bare(address)}" has a secret. Set TICKER_REDIS__READ_URL.'
    assert {"redis://:***@h", "redis://u:***@h", "redis://***@h", "unix:///s?password=***"} >= {bare(address)}


@pytest.mark.parametrize("verb", ["check", "show"])
def test_the_file_may_follow_config_as_with_the_other_commands(
    verb: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("[server]\nport = 70000\n")

    codes = [main(["config", verb, *words, str(file)]) for words in ([], ["--config"])]

    assert codes == [2, 2]
    assert capsys.readouterr().err.count(f"{file}, line 2: `server.port`: 70000 is too large.") == 2
    assert main(["config", verb]) == 0
    with pytest.raises(SystemExit):
        main(["config", verb, str(file), "--config", str(file)])
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["check", "show"])
def test_a_wrong_file_is_told_with_2(verb: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("[server]\nprot = 1\nport = 70000\n")

    assert main(["config", verb, str(file)]) == 2

    assert capsys.readouterr().err == (
        f"ticker config: {file}, line 2: unknown key `server.prot`. Did you mean `server.port`?\n"
        f"{file}, line 3: `server.port`: 70000 is too large. "
        "Write a whole number from 0 to 65535, like 8080.\n"
    )


def test_a_missing_key_of_a_source_is_told_with_2(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("[sources.openexchangerates]\nenabled = true\n")

    assert main(["config", "check", str(file)]) == 2

    assert "Set TICKER_OPENEXCHANGERATES_KEY." in capsys.readouterr().err


# Which keys are new.


@pytest.fixture
def new_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ticker.config.show.SINCE", {"poll.proxy": "0.10.0", "redis.read_url": "0.9.0"})


def said_of(file: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["config", "check", str(file)]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("version", "new"),
    [
        ("0.8.0", ["new key: `redis.read_url` (0.9.0)", "new key: `poll.proxy` (0.10.0)"]),
        ("0.9.0", ["new key: `poll.proxy` (0.10.0)"]),
        ("0.10.0", ["new keys: none since 0.10.0, which ran last on this data"]),
    ],
)
def test_the_keys_that_came_after_the_last_version_are_listed(
    version: str,
    new: list[str],
    new_keys: None,
    file: Path,
    own_state: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file.write_text("")
    own_state.mkdir(parents=True)
    (own_state / "version").write_text(f"{version}\n")

    assert said_of(file, capsys) == [*new, f"{file}: no error"]
    assert [each.name for each in own_state.iterdir()] == ["version"]


def test_where_no_version_is_known_that_is_said_with_all_that_are_new(
    new_keys: None, file: Path, own_state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("")
    own_state.mkdir(parents=True)

    first, *others = said_of(file, capsys)

    assert first == f"new keys: the version that ran last is unknown: {own_state}/version does not exist"
    assert len(others) == 3
    assert list(own_state.iterdir()) == []


NONSENSE = b"\x00\xff\x1b[2J" * 10_000
"""What may be in place of a version. It has signs that clear a terminal."""


@pytest.mark.parametrize(
    "text", [NONSENSE, b'{"file":"currency-ticker backup"}\n' * 100, b"", b"1.", b"1" * 200]
)
def test_what_is_not_a_version_is_not_shown(
    text: bytes, new_keys: None, file: Path, own_state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("")
    own_state.mkdir(parents=True)
    (own_state / "version").write_bytes(text)

    first, *others = said_of(file, capsys)

    assert first == (
        f"new keys: the version that ran last is unknown: {own_state}/version has no version. "
        "The next start of the service writes it again"
    )
    assert len(others) == 3


async def test_what_is_not_a_version_in_redis_is_not_shown(
    redis: Redis, redis_url: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await asyncio.to_thread(file.write_text, f'[redis]\nurl = "{redis_url}"\n')
    await redis.set("{ticker}:version", "\x1b[2J" * 1000)

    first, *_ = await asyncio.to_thread(said_of, file, capsys)

    assert first.endswith(
        "unknown: the record in Redis has no version. The next start of the service writes it again"
    )


def test_before_the_first_start_no_key_is_new(
    new_keys: None, file: Path, own_state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("")

    said = said_of(file, capsys)

    assert said == ["new keys: none, because no version has run on this data yet", f"{file}: no error"]
    assert not own_state.exists()


def test_a_redis_out_of_reach_is_no_error_of_the_configuration(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text('[redis]\nurl = "redis://127.0.0.1:1"\n')

    said = said_of(file, capsys)

    assert said[0].startswith("new keys: the version that ran last is unknown: redis is unreachable: ")


def test_a_symbol_that_only_disabled_sources_list_is_a_warning(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    markets = [key for key, source in SOURCES.items() if source.kind == "market"]
    off = "".join(f"[sources.{key}]\nenabled = false\n" for key in markets)
    file.write_text(f'symbols = ["KGS", "NGN/KES"]\n{off}')

    assert said_of(file, capsys)[0] == (
        "symbols: NGN/KES has no quote, because no enabled source lists it: enable one that does"
    )


async def test_the_service_records_its_version_where_no_server_is_needed_to_read_it(short_path: Path) -> None:
    off = "".join(f"[sources.{key}]\nenabled = false\n" for key in SOURCES)
    file = short_path / "ticker.toml"
    file.write_text(f'[server]\nport = 0\n[redis]\ndata_dir = "{short_path}/data"\n{off}')
    async with running(short_path, "serve", "--config", str(file)) as service:
        service.process.terminate()
        await service.ended()

    assert (short_path / "data" / "version").read_text() == f"{__version__}\n"


async def test_the_poller_records_its_version_in_redis(
    short_path: Path, redis: Redis, redis_url: str
) -> None:
    off = "".join(f"[sources.{key}]\nenabled = false\n" for key in SOURCES)
    file = short_path / "ticker.toml"
    file.write_text(f'[server]\nport = 0\n[redis]\nurl = "{redis_url}"\n{off}')

    async def recorded() -> bool:
        return bool(await redis.get("{ticker}:version"))

    async with running(short_path, "serve", "--config", str(file)):
        await until(recorded, 20)

    assert await redis.get("{ticker}:version") == __version__


async def test_only_the_poller_that_holds_the_lease_records_its_version(store: Store) -> None:
    old = await store.acquire("one", seconds=60, now_ms=1)
    assert old
    assert await store.version() == ""
    await store.note_version(old, "0.2.0")
    new = await store.acquire("two", seconds=60, now_ms=2, force=True)
    assert new
    await store.note_version(new, "0.3.0")

    with pytest.raises(LeaseLost):
        await store.note_version(old, "0.2.0")

    assert await store.version() == "0.3.0"


BASE = frozenset(
    """
    guard.bands.* guard.human_percent guard.jump_percent guard.repeat_minutes guard.tolerance_percent
    guard.tolerances.* history.backfill_days history.days history.pause_seconds label
    limits.handshakes_at_once limits.handshakes_in_flight limits.handshakes_per_second limits.head_bytes
    limits.head_seconds limits.message_bytes limits.messages_per_second limits.subscribers
    limits.subscribers_per_address limits.symbols pegs.*.since pegs.*.units_per_usd policy
    poll.max_body_bytes poll.project_url poll.retry_max_seconds poll.retry_min_seconds
    poll.timeout_seconds redis.data_dir redis.lease_seconds redis.prefix redis.stream_length redis.url
    server.admin server.drain_seconds server.heartbeat_seconds server.host server.origins server.port
    server.proxy_protocol server.silent_seconds server.slow_seconds server.trusted_proxies
    server.workers sources.*.base_url sources.*.closed_days sources.*.enabled sources.*.interval_seconds
    symbols
    """.split()  # noqa: SIM905 - fifty quoted strings are no easier to read
)
"""The keys of 0.1.0."""


def test_a_key_that_0_1_0_had_not_says_since_which_version_it_is_there() -> None:
    here = {".".join("*" if part in SOURCES else part for part in path) for path, _ in leaves(ROOT)}

    assert here - BASE == set(keys.SINCE)
