"""A server set up by the commands of ticker/docs/deploying.md, in order, on a bare Debian with systemd."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import debian
import pytest
from debian import Server
from test_snippets import ALL, WALK, Snippet

pytestmark = [pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(2400)]

NAME = "rates.example.org"
CERTIFICATE = f"""
place=/etc/letsencrypt/live/{NAME}
mkdir -p $place
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={NAME} -addext subjectAltName=DNS:{NAME} \
  -keyout $place/privkey.pem -out $place/fullchain.pem
cp $place/fullchain.pem /usr/local/share/ca-certificates/own.crt
update-ca-certificates
echo 127.0.0.1 {NAME} >> /etc/hosts
"""
"""In place of a certificate authority, which would not find this name."""


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on which the whole page was followed."""
    with debian.server(tmp_path_factory.mktemp("server")) as server:
        for step in steps():
            if step.reason:
                server.run(CERTIFICATE)
            else:
                # Only the first step has a network. Without banks, the peg alone has a quote.
                server.run(step.code, online="pip install" in step.code)
        yield server


def steps() -> list[Snippet]:
    return [each for each in ALL if each.page == WALK and each.language == "sh"]


def state(server: Server, unit: str, *names: str) -> list[str]:
    return server.run(f"systemctl show {unit} {''.join(f' -P {name}' for name in names)}").split("\n")[:-1]


def quotes(server: Server, url: str) -> list[str]:
    answer = json.loads(server.run(f"curl --fail --silent {url}/v1/quotes"))
    return [quote["symbol"] for quote in answer["quotes"]]


def test_one_step_needs_more_than_this_machine() -> None:
    assert [bool(step.reason) for step in steps()].count(True) == 1


def test_both_services_and_the_site_serve_the_line(walked: Server) -> None:
    for url in ("http://127.0.0.1:8080", "http://127.0.0.1:8081", f"https://{NAME}"):
        assert quotes(walked, url) == ["TMT/USD"]
    assert "0.28571" in walked.run(f"curl --fail --silent https://{NAME}/v1/line.svg")
    assert walked.run("ss -Hltn 'sport = :443'") != ""
    # One polls, the other one stands by.
    logs = [walked.run(f"journalctl --output=cat -u ticker@{port}") for port in (8080, 8081)]
    assert sum("standing by" in log for log in logs) == 1
    assert sum("poller: polling 8 sources" in log for log in logs) == 1
    # An order, given as the page says.
    asked = "config check /etc/ticker/config.toml"
    assert asked in steps()[-1].code
    walked.run(steps()[-1].code.replace(asked, "hold TMT --config /etc/ticker/config.toml"))
    walked.until("curl --silent 127.0.0.1:18080/health | grep -q 'TMT/USD is on hold'")


def test_systemd_knows_how_each_service_is(walked: Server) -> None:
    for port in (8080, 8081):
        unit = f"ticker@{port}"
        assert state(walked, unit, "StatusText") == [f"answers on http://127.0.0.1:{port}/"]
        assert state(walked, unit, "NRestarts") == ["0"]
        assert "process_resident_memory_bytes" in walked.run(f"curl --silent 127.0.0.1:1{port}/metrics")
    exposure = re.search(
        r"exposure level for ticker@8080.service: ([\d.]+)",
        walked.run("systemd-analyze security ticker@8080"),
    )
    assert exposure
    assert float(exposure[1]) <= 1.4
    # It writes nowhere else, and has the files of nobody else.
    assert walked.run("find / -xdev -user ticker -not -path '/proc/*'").split() == ["/var/lib/ticker"]


def test_readers_notice_no_restart_of_one_service(walked: Server) -> None:
    asked = walked.run(
        f"""
        ask() {{
          curl --silent --output /dev/null --write-out '%{{http_code}}\\n' https://{NAME}/v1/quotes
        }}
        for number in $(seq 60); do ask; sleep 0.05; done > /tmp/asked &
        for port in 8080 8081; do sleep 0.5; systemctl restart ticker@$port; done
        wait
        cat /tmp/asked
        """
    )

    assert asked.split() == ["200"] * 60


def test_a_reload_reads_the_file_again(walked: Server) -> None:
    walked.run(r"""sed -i 's/^symbols = \[.*/symbols = ["TMT", "KGS"]/' /etc/ticker/config.toml""")
    walked.run("systemctl reload 'ticker@*'")
    walked.until("journalctl --output=cat -u ticker@8080 | grep -q 'reload: changed: symbols'")
    walked.until("[ $(systemctl show ticker@8080 -P ActiveState) = active ]")


def test_a_wrong_configuration_is_not_tried_again(walked: Server) -> None:
    walked.run("echo 'prot = 1' > /etc/ticker/wrong.toml; cp /etc/ticker/config.toml /etc/ticker/right.toml")
    walked.run(
        "cp /etc/ticker/wrong.toml /etc/ticker/config.toml; systemctl restart ticker@8081 || true; sleep 5"
    )
    try:
        assert state(walked, "ticker@8081", "ActiveState") == ["failed"]
        assert state(walked, "ticker@8081", "ExecMainStatus") == ["2"]
        assert state(walked, "ticker@8081", "NRestarts") == ["0"]
        assert "unknown key `prot`" in walked.run("journalctl --output=cat -u ticker@8081")
        assert quotes(walked, f"https://{NAME}") != []
    finally:
        walked.run("cp /etc/ticker/right.toml /etc/ticker/config.toml; systemctl restart ticker@8081")


def test_a_hung_service_with_workers_and_its_own_redis_is_restarted(walked: Server) -> None:
    walked.run("systemctl stop ticker@8080 ticker@8081; cp /etc/ticker/environment /tmp/environment")
    walked.run(
        """
        printf '%s\\n' TICKER_REDIS_URL=embedded TICKER_SERVER__WORKERS=2 TICKER_SERVER__LAME_SECONDS=6 \\
          >> /etc/ticker/environment
        own=/etc/systemd/system/ticker@.service.d
        mkdir -p $own
        printf '[Service]\\nWatchdogSec=5\\nTimeoutStopSec=3\\n' > $own/soon.conf
        systemctl daemon-reload
        systemctl start ticker@8080
        """
    )
    try:
        before = state(walked, "ticker@8080", "MainPID")[0]
        assert len(walked.run(f"cat /proc/{before}/task/{before}/children").split()) == 3
        walked.run(f"sleep 7; [ $(systemctl show ticker@8080 -P MainPID) = {before} ]; kill -STOP {before}")
        walked.until(
            "[ $(systemctl show ticker@8080 -P NRestarts) = 1 ] && systemctl is-active --quiet ticker@8080"
        )
        assert state(walked, "ticker@8080", "MainPID") != [before]
        assert quotes(walked, "http://127.0.0.1:8080") != []
        assert "Watchdog timeout" in walked.run("journalctl --output=cat -u ticker@8080")
        # It asks systemd for more time than the unit gives.
        assert int(walked.run("systemctl stop ticker@8080; echo $SECONDS")) >= 6
        assert state(walked, "ticker@8080", "Result") == ["success"]
    finally:
        walked.run(
            """
            cp /tmp/environment /etc/ticker/environment; rm -r /etc/systemd/system/ticker@.service.d
            systemctl daemon-reload; systemctl restart ticker@8080 ticker@8081
            """
        )
