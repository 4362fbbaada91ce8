"""What `redis.url` may be, and what is said of one that can't be: never a part of a password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticker.store.address import Address, read

SECRET = "Sup3rSecret"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://h", Address(kind="server", hosts=(("h", 6379),))),
        ("redis://", Address(kind="server", hosts=(("localhost", 6379),))),
        (
            "redis://[::1]:7000/3",
            Address(kind="server", hosts=(("::1", 7000),), database=3),
        ),
        ("redis://127.0.0.1:7000?db=4", Address(kind="server", hosts=(("127.0.0.1", 7000),), database=4)),
        (
            "rediss://u:p%2Fq%40%3A%25@h:1/",
            Address(kind="server", is_tls=True, hosts=(("h", 1),), username="u", password="p/q@:%"),
        ),
        ("redis://:a@b:c@h", Address(kind="server", hosts=(("h", 6379),), password="a@b:c")),
        (
            "rediss://h?ssl_ca_certs=/etc/my%20ca.pem&ssl_check_hostname=false&ssl_cert_reqs=none",
            Address(
                kind="server",
                is_tls=True,
                hosts=(("h", 6379),),
                tls={"ssl_ca_certs": "/etc/my ca.pem", "ssl_check_hostname": False, "ssl_cert_reqs": "none"},
            ),
        ),
        ("unix:///run/redis%20one.sock", Address(kind="socket", path="/run/redis one.sock")),
        (
            "unix://u:p@/run/redis.sock?db=2",
            Address(kind="socket", path="/run/redis.sock", username="u", password="p", database=2),
        ),
        (
            "redis+sentinel://u:p@one:26000,two,[::1]:3/prices/2",
            Address(
                kind="sentinel",
                hosts=(("one", 26000), ("two", 26379), ("::1", 3)),
                service="prices",
                database=2,
                username="u",
                password="p",
            ),
        ),
        (
            "rediss+sentinel://one/prices",
            Address(kind="sentinel", is_tls=True, hosts=(("one", 26379),), service="prices"),
        ),
        (
            "redis+cluster://:p@one:7000,two:7001",
            Address(kind="cluster", hosts=(("one", 7000), ("two", 7001)), password="p"),
        ),
        ("rediss+cluster://one/0", Address(kind="cluster", is_tls=True, hosts=(("one", 6379),))),
    ],
)
def test_an_address_says_where_and_who(url: str, address: Address) -> None:
    assert read(url) == address


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"redis://:{SECRET}/def@h", "write / as %2F"),
        (f"redis://:{SECRET}?def@h", "? as %3F"),
        (f"redis://:{SECRET}#def@h", "# as %23"),
        (f"redis+sentinel://u:{SECRET}/x@h/prices", "write / as %2F"),
        (f"{SECRET}@h", "begin with one of redis://"),
        (f"http://:{SECRET}@h", "begin with one of redis://"),
        (f"redis://:x@h:{SECRET}", "its host or port can't be read"),
        (f"redis://:x@{SECRET} h", "its host or port can't be read"),
        (f"redis://:{SECRET}@h:0", "its host or port can't be read"),
        (f"redis://:{SECRET}@h:65536", "its host or port can't be read"),
        (f"redis://:{SECRET}@one,two", "several hosts are for redis+sentinel:// or redis+cluster://"),
        (f"redis://h/{SECRET}", "its database is not a number"),
        (f"redis://h?db={SECRET}", "its database is not a number"),
        ("redis://h/1?db=2", "two databases"),
        ("redis://h?db=1&db=2", "?db= appears twice"),
        (f"redis://:{SECRET}@h?ssl=true", "?ssl= is not an option: for TLS, write rediss://"),
        (
            f"redis://h?password={SECRET}",
            "?password= is not an option: write redis://[USER:PASSWORD@]HOST:PORT",
        ),
        (f"redis://h?socket_timeout={SECRET}", "an unknown option; the options are ?db=, ?ssl_ca_certs="),
        ("redis://h?decode_responses=1", "it has an unknown option"),
        (f"redis://h?{SECRET}", "it has an unknown option"),
        ("redis://h?ssl_ca_certs=/ca.pem", "?ssl_ca_certs= is for TLS: write rediss instead of redis"),
        ("rediss://h?ssl_cert_reqs=optional", "?ssl_cert_reqs= must be required or none"),
        ("rediss://h?ssl_check_hostname=maybe", "?ssl_check_hostname= must be true or false"),
        ("rediss://h?ssl_ca_certs=", "?ssl_ca_certs= must be a file"),
        (f"unix://:{SECRET}@", "the path of the socket is missing: write unix:///PATH"),
        ("unix://run/redis.sock", "the path of the socket is missing"),
        ("redis+sentinel://h:26379", "the name of the service is missing: write redis+sentinel://"),
        ("redis+sentinel:///prices", "its host or port can't be read"),
        ("redis+cluster://", "its host or port can't be read"),
        ("redis+cluster://h/1", "a Cluster has no databases"),
        ("redis+cluster://h?db=1", "a Cluster has no databases"),
    ],
)
def test_what_is_no_address_is_said_without_the_secret(url: str, words: str) -> None:
    fault = fault_of(url)

    assert words in fault
    assert SECRET not in fault


def fault_of(url: str) -> str:
    """Why it is no address; nothing if it is one."""
    try:
        read(url)
    except ValueError as error:
        return f"{error} {error.__cause__ or ''} {error.__context__ or ''}"
    return ""


def test_a_password_is_never_shown(capsys: pytest.CaptureFixture[str]) -> None:
    print(read(f"redis://u:{SECRET}@h"))

    assert SECRET not in capsys.readouterr().out


@given(st.text(max_size=30), st.sampled_from(["redis", "rediss", "unix", "redis+sentinel", "redis+cluster"]))
def test_whatever_follows_a_password_the_password_is_not_told(rest: str, scheme: str) -> None:
    assert SECRET not in fault_of(f"{scheme}://:{SECRET}{rest}@h:{rest}/{rest}")
