"""The alert rules and the dashboard, by their own tools and by a real Prometheus while things are broken."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest
import services
import yaml
from aiohttp import web
from banks import NBKR
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.parser import text_string_to_metric_families
from servers import Server
from servers import server as redis_server_of_its_own
from services import Service
from stage import site, until
from test_docs import rows_of
from test_protocol import free_port
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from ticker import deploy
from ticker.sources import SOURCES

CBR = (Path(__file__).parent / "payloads/cbr/daily_2026-03-17.xml").read_bytes()
SHORTER = {
    r"for: \d+[mh]$": "for: 1s",
    r"\[5m\]": "[10s]",
    r"offset 10m": "offset 10s",
    r"> 60$": "> 8",
}
"""The rules with short times: a test has minutes, not hours."""
ALERT_SECONDS = 150
"""Usual are 3 to 15, but 60 to 80 until the lag of a loop is forgotten."""


def rules() -> dict[str, dict[str, Any]]:
    """Each alert by its name."""
    [group] = yaml.safe_load(deploy.text("prometheus-rules"))["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


# What they ask for.


def expressions() -> list[str]:
    dashboard = json.loads(deploy.text("grafana-dashboard"))
    targets = [target for panel in dashboard["panels"] for target in panel.get("targets", ())]
    return [rule["expr"] for rule in rules().values()] + [target["expr"] for target in targets]


@pytest.mark.redis
async def test_every_metric_and_label_that_they_ask_for_is_in_metrics(short_path: Path) -> None:
    asked = [
        (name, labels or "")
        for each in expressions()
        for name, labels in re.findall(r"\b((?:ticker|process)_\w+)(?:\{([^}]*)\})?", each)
    ]
    arguments = ("--port", "0", "--every", "1", "--data-dir", f"{short_path}/data")
    async with services.running(short_path, "demo", *arguments) as service:
        await until(lambda: service.quotes())
        _, text = await service.text(f"{service.url}metrics")
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    told = {sample.name: set(sample.labels) | {"job", "instance"} for sample in samples}

    assert {name for name, _ in asked} - set(told) == set()
    for name, labels in asked:
        assert set(re.findall(r"(\w+)\s*=", labels)) <= told[name], name
    # Also the other way: nothing is measured that an operator would not see.
    assert {name for name in told if name.startswith("ticker_")} - {name for name, _ in asked} == set()


def test_grafanas_own_model_knows_every_key_of_the_dashboard() -> None:
    register_default_plugins()
    dashboard = json.loads(deploy.text("grafana-dashboard"))
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))

    assert lost(dashboard, read) == []


def lost(one: Any, other: Any, place: str = "") -> list[str]:
    """Where the first differs from the second, which may have more."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [each for key in one for each in lost(one[key], other.get(key), f"{place}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [each for index, (a, b) in pairs for each in lost(a, b, f"{place}[{index}]")]
    return [] if one == other else [place]


def test_no_panel_covers_another() -> None:
    panels = json.loads(deploy.text("grafana-dashboard"))["panels"]
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells

    assert len({panel["id"] for panel in panels}) == len(panels)


def test_every_alert_is_in_the_docs() -> None:
    rows = rows_of("deploying.md", "alert")

    assert {row[0].strip("`"): row[1] for row in rows} == {
        name: rule["labels"]["severity"] for name, rule in rules().items()
    }


def test_every_alert_says_what_to_do() -> None:
    for name, rule in rules().items():
        assert name.startswith("Ticker")
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description"}


# By promtool.


def promtool(*words: str) -> str:
    program = shutil.which("promtool")
    if not program:
        pytest.fail("no promtool here for the tests of alerts; install it (apt install prometheus)")
    found = subprocess.run([program, *words], capture_output=True, text=True, timeout=200)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


Series = dict[str, str]
STATUS = "ticker_quote_status"
OF = 'job="ticker",instance="a"'


def statuses(symbol: str, status: str) -> Series:
    """The status of a quote for five hours; empty: it has none."""
    return {
        f'{STATUS}{{{OF},symbol="{symbol}",status="{each}"}}': f"{int(each == status)}x300"
        for each in ("live", "pegged", "fallback", "unconfirmed", "stale")
    }


WELL = {
    f"up{{{OF}}}": "1x300",
    f"ticker_last_write_age_seconds{{{OF}}}": "1x300",
    f"ticker_redis_up{{{OF}}}": "1x300",
    f'ticker_source_up{{{OF},source="nbkr"}}': "1x300",
    f"ticker_worker_starts_total{{{OF}}}": "2x300",
    f"ticker_loop_lag_seconds{{{OF}}}": "0.01x300",
    f'ticker_refused_total{{{OF},reason="rate"}}': "7x300",
    f"process_open_fds{{{OF}}}": "50x300",
    f"process_max_fds{{{OF}}}": "100x300",
    **statuses("KGS/USD", "live"),
    **statuses("TMT/USD", "pegged"),
}
"""Each series holds a value for five hours, unless a case below says otherwise."""
LIVE_KZT = statuses("KZT/USD", "live")
CASES: dict[str, tuple[Series, str, dict[str, str]]] = {
    "TickerDown": ({f"up{{{OF}}}": "0x300"}, "2m", {"instance": "a"}),
    "TickerUntrusted": (statuses("KGS/USD", "unconfirmed"), "10m", {}),
    "TickerNotWriting": ({f"ticker_last_write_age_seconds{{{OF}}}": "61x300"}, "1m", {}),
    "TickerRedisAway": ({f"ticker_redis_up{{{OF}}}": "0x300"}, "2m", {"instance": "a"}),
    "TickerQuoteMissing": (statuses("KGS/USD", "") | LIVE_KZT, "15m", {"symbol": "KGS/USD"}),
    "TickerQuoteStale": (statuses("KGS/USD", "stale") | LIVE_KZT, "30m", {"symbol": "KGS/USD"}),
    "TickerQuoteUnconfirmed": (
        statuses("KGS/USD", "unconfirmed") | LIVE_KZT,
        "30m",
        {"symbol": "KGS/USD"},
    ),
    "TickerQuoteFallback": (statuses("KGS/USD", "fallback"), "120m", {"symbol": "KGS/USD"}),
    "TickerSourceFailing": (
        {f'ticker_source_up{{{OF},source="nbkr"}}': "0x300"},
        "120m",
        {"source": "nbkr"},
    ),
    "TickerWorkerDied": (
        {f"ticker_worker_starts_total{{{OF}}}": "2x20 3x279"},
        "22m",
        {"instance": "a"},
    ),
    "TickerSlow": ({f"ticker_loop_lag_seconds{{{OF}}}": "1.5x300"}, "5m", {"instance": "a"}),
    "TickerRefusing": (
        {f'ticker_refused_total{{{OF},reason="rate"}}': "7+1x300"},
        "6m",
        {"instance": "a", "reason": "rate"},
    ),
    "TickerFilesRunOut": ({f"process_open_fds{{{OF}}}": "81x300"}, "5m", {"instance": "a"}),
}
"""What is broken from the start, when the alert fires at last, and its labels."""


COME_TOGETHER = {"TickerUntrusted": "TickerQuoteUnconfirmed"}
FOR_A_WHILE = "TickerWorkerDied"
"""It resolves by itself."""


def case(changes: Series, checks: list[dict[str, Any]]) -> dict[str, Any]:
    series = WELL | changes
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": checks,
    }


def check(alert: str, at: str, labels: dict[str, str] | None) -> dict[str, Any]:
    """That it fires with these labels at that time, and not otherwise (None)."""
    rule = rules()[alert]
    if labels is None:
        return {"eval_time": at, "alertname": alert, "exp_alerts": []}
    expected = {"job": "ticker", **labels, "severity": rule["labels"]["severity"]}
    return {"eval_time": at, "alertname": alert, "exp_alerts": [{"exp_labels": expected}]}


def test_every_alert_has_a_case() -> None:
    assert set(CASES) == set(rules())


@pytest.mark.slow
def test_each_alert_fires_when_its_time_is_over_and_no_other_does(tmp_path: Path) -> None:
    file = tmp_path / "ticker.rules.yml"
    # The words of the annotations are the same as in the file: here only when and for whom.
    text = re.sub(r"(?m)^        annotations:\n(?:          .*\n)+", "", deploy.text("prometheus-rules"))
    file.write_text(text)
    quiet = [check(alert, "4h", None) for alert in CASES]
    # All is well; and a service of pegs alone, which no bank can confirm.
    tests = [case({}, quiet), case(statuses("KGS/USD", "pegged"), quiet)]
    for alert, (changes, at, labels) in CASES.items():
        minutes = int(at.removesuffix("m"))
        waits = rules()[alert].get("for")
        before = [check(alert, f"{minutes * 60 - 61}s", None)] if waits and minutes > 1 else []
        silent = set(CASES) - {alert, COME_TOGETHER.get(alert)} | {FOR_A_WHILE}
        others = [check(other, "4h", None) for other in sorted(silent)]
        tests.append(case(changes, [*before, check(alert, at, labels), *others]))
    (tmp_path / "tests.yml").write_text(yaml.safe_dump({"rule_files": [str(file)], "tests": tests}))

    (tmp_path / "whole.yml").write_text(deploy.text("prometheus-rules"))
    assert "SUCCESS: 13 rules found" in promtool("check", "rules", str(tmp_path / "whole.yml"))
    assert "SUCCESS" in promtool("test", "rules", str(tmp_path / "tests.yml"))


# By a real Prometheus.

ZONES = {"kg": ZoneInfo("Asia/Bishkek"), "ru": ZoneInfo("Europe/Moscow")}


@dataclass
class Banks:
    """NBKR and the Bank of Russia, each with a table of the day that the test says; None: it fails."""

    days: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(ZONES))
    """Days from today, as each bank's own clock has it: what is of tomorrow counts from tomorrow."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        bank = request.path.split("/")[1]
        days = self.days[bank]
        if days is None or "Dynamic" in request.path or "dynamic" in request.path:
            return web.Response(status=500)
        day = f"{datetime.now(ZONES[bank]) + timedelta(days=days):%d.%m.%Y}".encode()
        # Another figure for another day: otherwise it repeats the earlier table.
        digit = str(days % 10).encode()
        if bank == "kg":
            body = NBKR.replace(b"24.05.2026", day).replace(b"87,4500", b"87,45%c0" % digit)
        else:
            body = CBR.replace(b"17.03.2026", day).replace(b"81,0517", b"81,05%c7" % digit)
        return web.Response(body=body)


@dataclass
class Prometheus:
    """A Prometheus that looks at the service every three seconds: a lost Redis takes two of them."""

    url: str

    async def firing(self) -> set[str]:
        """The alerts that fire now, each with its symbol or source."""
        async with aiohttp.ClientSession() as client, client.get(f"{self.url}/api/v1/alerts") as answer:
            alerts = (await answer.json())["data"]["alerts"]
        return {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}

    async def fires(self, *names: str) -> None:
        """Wait until these fire, among others."""
        await self._until(lambda firing: firing >= set(names), names)

    async def resolves(self, *names: str) -> None:
        """Wait until none of these fires any more."""
        await self._until(lambda firing: not firing & set(names), names)

    async def _until(self, fact: Callable[[set[str]], bool], names: tuple[str, ...]) -> None:
        async def holds() -> bool:
            return fact(await self.firing())

        try:
            await until(holds, ALERT_SECONDS)
        except TimeoutError:
            raise AssertionError(f"waited for {names}, firing: {await self.firing()}") from None


@asynccontextmanager
async def prometheus(folder: Path, target: str) -> AsyncIterator[Prometheus]:
    program = shutil.which("prometheus")
    if not program:
        pytest.fail("no prometheus here for the test of alerts; install it (apt install prometheus)")
    text = deploy.text("prometheus-rules")
    for pattern, short in SHORTER.items():
        text, count = re.subn(pattern, short, text, flags=re.MULTILINE)
        assert count, pattern
    (folder / "ticker.rules.yml").write_text(text)
    own = {
        "global": {"scrape_interval": "3s", "scrape_timeout": "3s", "evaluation_interval": "1s"},
        "rule_files": ["ticker.rules.yml"],
        "scrape_configs": [{"job_name": "ticker", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(own))
    port = free_port()
    words = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb")
    with (folder / "prometheus.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            program, *words, f"--web.listen-address=127.0.0.1:{port}", stdout=log, stderr=log
        )
    try:
        found = Prometheus(f"http://127.0.0.1:{port}")

        async def answers() -> bool:
            try:
                await found.firing()
            except aiohttp.ClientError:  # it also answers 503 at first
                return False
            return True

        await until(answers)
        yield found
    finally:
        process.terminate()
        await process.wait()


def configured(folder: Path, redis_url: str, banks: str) -> tuple[str, ...]:
    off = "".join(f"[sources.{key}]\nenabled = false\n" for key in SOURCES if key not in ("nbkr", "cbr"))
    (folder / "ticker.toml").write_text(
        f'''
        symbols = ["KGS", "TMT"]
        [server]
        port = 0
        workers = 2
        admin = "127.0.0.1:0"
        [limits]
        subscribers = 3
        [redis]
        url = "{redis_url}"
        lease_seconds = 3
        [poll]
        retry_min_seconds = 0.5
        [history]
        backfill_days = 0
        [sources.nbkr]
        base_url = "{banks}/kg"
        interval_seconds = 1
        [sources.cbr]
        base_url = "{banks}/ru"
        interval_seconds = 1
        {off}'''
    )
    return "serve", "--config", f"{folder}/ticker.toml"


@pytest.mark.redis
@pytest.mark.slow
@pytest.mark.timeout(2400)
async def test_each_alert_fires_while_its_cause_lasts_and_then_resolves(short_path: Path) -> None:
    banks = Banks()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(site(banks.handle))
        redis = await stack.enter_async_context(redis_server_of_its_own(short_path / "redis"))
        words = configured(short_path, redis.url, url)
        service = await stack.enter_async_context(services.running(short_path, *words))
        target = service.admin.removeprefix("http://").rstrip("/")
        monitor = await stack.enter_async_context(prometheus(short_path, target))

        await of_the_banks(monitor, banks, words)
        await of_redis(monitor, redis)
        await of_readers(monitor, service)
        await of_processes(monitor, service)
        assert await monitor.firing() == set()


async def of_the_banks(monitor: Prometheus, banks: Banks, words: tuple[str, ...]) -> None:
    async def order(verb: str) -> None:
        command = (sys.executable, "-m", "ticker", verb, "KGS", *words[1:])
        await asyncio.to_thread(subprocess.run, command, check=True, cwd=services.ROOT)

    await monitor.fires("TickerQuoteMissing", "TickerSourceFailing", "TickerUntrusted")
    banks.days = {"kg": -20, "ru": -20}
    # No bank has a rate of these days, so nobody confirms it.
    await monitor.fires("TickerQuoteUnconfirmed")
    await monitor.resolves("TickerQuoteMissing", "TickerSourceFailing")
    await order("confirm")
    await monitor.fires("TickerQuoteStale", "TickerUntrusted")
    banks.days["ru"] = 0
    await monitor.fires("TickerQuoteFallback")
    await monitor.resolves("TickerQuoteStale", "TickerUntrusted")
    banks.days["kg"] = 0
    await monitor.resolves("TickerQuoteFallback")
    await monitor.resolves(*rules())
    await order("hold")
    await monitor.fires("TickerQuoteUnconfirmed")
    await order("confirm")
    await monitor.resolves(*rules())


async def of_redis(monitor: Prometheus, redis: Server) -> None:
    await redis.tell("CONFIG", "SET", "min-replicas-to-write", "1")
    await monitor.fires("TickerNotWriting")
    await redis.tell("CONFIG", "SET", "min-replicas-to-write", "0")
    await monitor.resolves("TickerNotWriting")
    redis.process.send_signal(signal.SIGSTOP)
    await monitor.fires("TickerRedisAway")
    redis.process.send_signal(signal.SIGCONT)
    await monitor.resolves("TickerRedisAway")


async def of_readers(monitor: Prometheus, service: Service) -> None:
    async with AsyncExitStack() as stack:
        # More than both workers take.
        for _ in range(16):
            with suppress(InvalidStatus):
                await stack.enter_async_context(connect(f"{service.url.replace('http', 'ws')}v1/stream"))
        await monitor.fires("TickerRefusing")
        pids = service.workers.values()
        for number, seconds in ((signal.SIGSTOP, 3), (signal.SIGCONT, 0)):
            for pid in pids:
                os.kill(pid, number)
            await asyncio.sleep(seconds)
        await monitor.fires("TickerSlow")
        await monitor.resolves("TickerRefusing", "TickerSlow")


async def of_processes(monitor: Prometheus, service: Service) -> None:
    os.kill(service.workers[1], signal.SIGKILL)
    await monitor.fires("TickerWorkerDied")
    await monitor.resolves("TickerWorkerDied")

    pid = service.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    count = len(os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (count + 5, before[1]))
    await monitor.fires("TickerFilesRunOut")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    await monitor.resolves("TickerFilesRunOut")

    service.process.send_signal(signal.SIGSTOP)
    await monitor.fires("TickerDown")
    service.process.send_signal(signal.SIGCONT)
    await monitor.resolves("TickerDown")
