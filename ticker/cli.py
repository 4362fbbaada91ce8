"""The command `ticker`: arguments and exit codes, no logic."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ticker import __version__, app, deploy, logs, streams, watch, workers
from ticker.backup import BackupFailed
from ticker.client import Refused
from ticker.client.connection import service_url
from ticker.config import (
    Arguments,
    ConfigError,
    Settings,
    load,
    new_since,
    secrets_around,
    secrets_of,
    shown,
)
from ticker.edge import PortBusy, TooFewFiles
from ticker.embedded import EmbeddedServerError
from ticker.reload import Reload
from ticker.sealed import NotSealed, NotWritten, WrongTarget
from ticker.workers import WorkerFailed

log = logging.getLogger(__name__)

FAILED, MISUSED = 1, 2
_CONFIG_HELP = "the service's TOML file"
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return 0; 1 if it failed, 2 if its arguments or configuration are wrong."""
    streams.complete()
    options = _parser().parse_args(arguments)
    who = f"worker {options.number}: " if options.command == "worker" else ""
    logs.start(options.log_format, options.log_level, who=who)
    logs.never_show(secrets_around(os.environ))
    try:
        return int(options.run(options) or 0)
    except (
        BackupFailed,
        ConfigError,
        EmbeddedServerError,
        NotSealed,
        NotWritten,
        PortBusy,
        TooFewFiles,
        Refused,
        WorkerFailed,
        app.OrderFailed,
        streams.Lost,
        watch.NoTable,
        watch.Unreachable,
    ) as error:
        logs.fail(f"ticker {options.command}: {error}")
        return MISUSED if isinstance(error, ConfigError | NotSealed | WrongTarget) else FAILED
    except KeyboardInterrupt:
        return FAILED
    except Exception as error:
        log.exception("ticker %s stopped after an internal error: %s", options.command, error)  # noqa: TRY401
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ticker", description="Official FX rates, live on any page.")
    parser.add_argument("--version", action="version", version=f"currency-ticker {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="poll the sources and serve the quotes")
    serve.add_argument("--config", type=Path, metavar="FILE", help="a TOML file; see config.example.toml")
    serve.set_defaults(run=_serve)

    demo = commands.add_parser("demo", help="run the complete service on recorded rates, without any bank")
    demo.add_argument(
        "--every", type=_seconds, default=6.0, metavar="SECONDS", help="seconds per recorded day (6)"
    )
    demo.add_argument("--data-dir", type=Path, metavar="DIR", help="the directory for its data")
    demo.set_defaults(run=_demo)

    for command in (serve, demo):
        command.add_argument("--host", help="the address to listen on (127.0.0.1)")
        command.add_argument("--port", type=int, help="the port to listen on (8080); 0 picks a free one")

    _add_questions(commands)
    _add_orders(commands)
    _add_backups(commands)
    _add_config(commands)
    _add_deploy(commands)
    _add_logs(parser, form="text", level="info")
    # Hidden from the help: `serve` starts its workers with it.
    worker = commands.add_parser("worker")
    worker.add_argument("number", type=int)
    worker.set_defaults(run=_worker)
    for command in commands.choices.values():
        _add_logs(command, form=argparse.SUPPRESS, level=argparse.SUPPRESS)
    return parser


def _add_logs(parser: argparse.ArgumentParser, *, form: str, level: str) -> None:
    """The log options are accepted before and after the command."""
    parser.add_argument(
        "--log-format", choices=logs.FORMS, default=form, help="the format of log lines (text)"
    )
    parser.add_argument(
        "--log-level", choices=logs.LEVELS, default=level, help="the lowest level to log (info)"
    )


def _add_questions(commands: Commands) -> None:
    quotes = commands.add_parser("quotes", help="print the quotes of a running service")
    quotes.add_argument(
        "--digits", type=int, choices=range(13), metavar="N", help="print prices with N decimals"
    )
    quotes.set_defaults(run=_quotes)

    watching = commands.add_parser("watch", help="show the quotes of a running service as they change")
    watching.add_argument(
        "--json", action="store_true", help="print the frames of the stream, one JSON object a line"
    )
    watching.set_defaults(run=_watch)

    for command in (quotes, watching):
        command.add_argument(
            "--url",
            type=_address,
            default="http://127.0.0.1:8080/",
            help="the address of the service (%(default)s)",
        )

    check = commands.add_parser("check", help="ask every enabled source once and compare the rates")
    check.add_argument("--config", type=Path, metavar="FILE", help=_CONFIG_HELP)
    check.set_defaults(run=_check)


def _add_config(commands: Commands) -> None:
    config = commands.add_parser("config", help="check or show the configuration, without starting anything")
    verbs = config.add_subparsers(dest="verb", required=True, metavar="VERB")
    check = verbs.add_parser("check", help="list every error, and the keys that are new")
    check.set_defaults(run=_check_config)
    show = verbs.add_parser("show", help="print the settings in effect as a TOML file")
    show.set_defaults(run=_show_config)
    for verb in (check, show):
        either = verb.add_mutually_exclusive_group()
        either.add_argument(
            "--config", type=Path, metavar="FILE", help="the same, as with the other commands"
        )
        either.add_argument("file", type=Path, nargs="?", metavar="FILE", action=_Config, help=_CONFIG_HELP)
        _add_logs(verb, form=argparse.SUPPRESS, level=argparse.SUPPRESS)


class _Config(argparse.Action):
    """An argument that means the same as `--config`."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Path | Sequence[Any] | None,
        option: str | None = None,
    ) -> None:
        namespace.config = values or namespace.config


def _add_deploy(commands: Commands) -> None:
    kit = commands.add_parser("deploy", help="print a file of the operator's kit, such as a systemd unit")
    kit.add_argument(
        "name", nargs="?", metavar="NAME", help="the name of the file; without it, all are listed"
    )
    kit.set_defaults(run=_deploy)


def _add_orders(commands: Commands) -> None:
    backfill = commands.add_parser("backfill", help="fetch missing history from the banks' archives")
    backfill.add_argument(
        "--days", type=int, metavar="N", help="the number of past days (history.backfill_days)"
    )
    backfill.set_defaults(run=_backfill)

    confirm = commands.add_parser("confirm", help="accept the unconfirmed rate of a symbol, or end a hold")
    hold = commands.add_parser("hold", help="freeze the quote of a symbol until `ticker confirm`")
    for command in (confirm, hold):
        command.add_argument("symbol", help="KGS, or EUR/KGS")
        command.set_defaults(run=_decide)

    for command in (backfill, confirm, hold):
        command.add_argument("--config", type=Path, metavar="FILE", help=_CONFIG_HELP)


def _add_backups(commands: Commands) -> None:
    backup = commands.add_parser("backup", help="write everything that is kept to a file")
    backup.set_defaults(run=_backup)
    restore = commands.add_parser("restore", help="read a backup into a Redis without data")
    restore.set_defaults(run=_restore)
    for command in (backup, restore):
        command.add_argument("file", type=_file, metavar="FILE", help="the file of the backup")
        command.add_argument("--config", type=Path, metavar="FILE", help=_CONFIG_HELP)
        command.add_argument(
            "--data-dir", type=Path, metavar="DIR", help="the folder of an embedded Redis (redis.data_dir)"
        )


def _serve(options: argparse.Namespace) -> None:
    settings = _settings(options, arguments=_listening(options), here=True)
    again = Reload(lambda: _settings(options, arguments=_listening(options), here=True))
    # Without a file nothing can have changed.
    reload = again if options.config else None
    app.run(app.until_stopped(app.serve(settings, reload=reload), reload))


def _demo(options: argparse.Namespace) -> None:
    # The demo uses its own Redis, never the one that TICKER_REDIS_URL names.
    settings = load(None, environment={}, arguments=_listening(options), here=True)
    directory = options.data_dir or app.default_data_dir("demo")
    redis = settings.redis.model_copy(update={"data_dir": str(directory)})
    service = app.demo(settings.model_copy(update={"redis": redis}), every=options.every)
    try:
        app.run(app.until_stopped(service))
    except EmbeddedServerError as error:
        # The demo has no configuration, whose key that would be.
        raise EmbeddedServerError(str(error).replace("redis.data_dir", "--data-dir")) from None


def _quotes(options: argparse.Namespace) -> None:
    streams.tell(watch.line(app.run(watch.quotes(options.url)), digits=options.digits))


def _watch(options: argparse.Namespace) -> None:
    # Ctrl-C is how it usually ends, and nothing to report.
    app.run(app.until_stopped(watch.follow(options.url, as_json=options.json), level=logging.DEBUG))


def _check(options: argparse.Namespace) -> int:
    table, whole = app.run(app.checked(_settings(options)))
    streams.tell(table)
    return 0 if whole else FAILED


def _check_config(options: argparse.Namespace) -> None:
    settings = _settings(options, here=True)
    warnings = app.without_quotes(settings)
    streams.tell("\n".join([*warnings, *_news(settings), f"{options.config or 'the defaults'}: no error"]))


def _news(settings: Settings) -> list[str]:
    """Lines about the keys that are new since the version that ran last on this data."""
    try:
        version = app.run(app.last_version(settings))
    except app.VersionUnknown as unknown:
        return [f"new keys: the version that ran last is unknown: {unknown}", *_listed(new_since("0"))]
    if not version:
        return ["new keys: none, because no version has run on this data yet"]
    return _listed(new_since(version)) or [f"new keys: none since {version}, which ran last on this data"]


def _listed(keys: Sequence[str]) -> list[str]:
    return [f"new key: {key}" for key in keys]


def _show_config(options: argparse.Namespace) -> None:
    streams.tell(shown(_settings(options)).rstrip("\n"))


def _deploy(options: argparse.Namespace) -> None:
    streams.tell(deploy.listed() if options.name is None else deploy.text(options.name).rstrip("\n"))


def _backfill(options: argparse.Namespace) -> None:
    settings = _settings(options)
    days = settings.history.backfill_days if options.days is None else options.days
    if not 1 <= days <= settings.history.days:
        raise ConfigError(
            f"--days {days} is out of range. Write 1 to {settings.history.days} (history.days)."
        )
    streams.tell(app.run(app.backfill(settings, days)))


def _decide(options: argparse.Namespace) -> None:
    streams.tell(app.run(app.order(_settings(options), options.command, options.symbol)))


def _backup(options: argparse.Namespace) -> None:
    streams.tell(app.run(app.backup(_settings_of_data(options), options.file)))


def _restore(options: argparse.Namespace) -> None:
    streams.tell(app.run(app.restore(_settings_of_data(options), options.file)))


def _settings_of_data(options: argparse.Namespace) -> Settings:
    """The settings of the command's file; with `--data-dir`, for the embedded Redis of that folder."""
    settings = _settings(options)
    if options.data_dir is None:
        return settings
    redis = settings.redis.model_copy(update={"url": "embedded", "data_dir": str(options.data_dir)})
    return settings.model_copy(update={"redis": redis})


def _worker(options: argparse.Namespace) -> None:
    app.run(workers.work())


def _settings(options: argparse.Namespace, **others: Any) -> Settings:
    """The settings of the command's file. Their secrets are hidden from the log."""
    settings = load(options.config, **others)
    logs.never_show(secrets_of(settings))
    return settings


def _listening(options: argparse.Namespace) -> Arguments:
    said = {"host": options.host, "port": options.port}
    return {f"--{name}": (("server", name), value) for name, value in said.items() if value is not None}


def _address(text: str) -> str:
    try:
        service_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _file(text: str) -> Path:
    # A Path has no slash at its end, so that `x/` would be a file named `x`.
    if text in ("", "-") or text.endswith(("/", "/.")):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a file")
    return Path(text)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= 86400:
        raise argparse.ArgumentTypeError("a day takes 1 to 86400 seconds")
    return seconds
