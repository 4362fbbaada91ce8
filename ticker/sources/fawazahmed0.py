"""fawazahmed0's currency-api: indicative rates of the dollar, published as files once a day."""

from __future__ import annotations

from datetime import time, timedelta

from ticker.rates.calendar import EVERY_DAY, Calendar
from ticker.rates.model import Rate
from ticker.rates.reader import Reader
from ticker.rates.source import Schedule, Source

KEY = "fawazahmed0"
read = Reader(KEY)

# Half of its 340 entries are coins, metals and former currencies, some with three letters (ADA, DEM).
# These are the currencies in use, by the name that they have in the file.
_CURRENCIES = {
    code.lower(): code
    for code in """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
    CDF CHF CLP CNH CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GGP GHS GIP GMD
    GNF GTQ GYD HKD HNL HTG HUF IDR ILS IMP INR IQD IRR ISK JEP JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD
    KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR
    NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN
    SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX UYU UZS VES VND VUV WST XAF XCD XCG XDR XOF XPF
    YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905 - 160 quoted strings are no easier to read
}


def parse(body: bytes) -> tuple[Rate, ...]:
    """
    Read usd.min.json of one day: units of a currency for one dollar.

    Entries that are no currency in use are left out unread. Raises MalformedFeed, also for
    a table without one of our five currencies.
    """
    answer = read.json(body)
    entries = answer.get("usd") if isinstance(answer, dict) else None
    if not isinstance(entries, dict):
        raise read.malformed(f"no rates of the dollar in {body[:40]!r}")
    as_of = read.day(str(answer.get("date")), style="yyyy-mm-dd")
    listed = {_CURRENCIES[name]: entries[name] for name in entries if name in _CURRENCIES}
    return read.per_dollar(listed, as_of=as_of)


_FILE = "v1/currencies/usd.min.json"

SOURCE = Source(
    key=KEY,
    name="fawazahmed0 currency-api",
    short="fawazahmed0",
    site="github.com/fawazahmed0/exchange-api",
    kind="market",
    # `latest` may be a day or two old at jsDelivr, so the day is asked for by its date first.
    url="https://cdn.jsdelivr.net/npm/@fawazahmed0/currency-api@{day:%Y-%m-%d}/" + _FILE,
    alternatives=(
        "https://cdn.jsdelivr.net/npm/@fawazahmed0/currency-api@latest/" + _FILE,
        "https://{day:%Y-%m-%d}.currency-api.pages.dev/" + _FILE,
        "https://latest.currency-api.pages.dev/" + _FILE,
    ),
    parse=parse,
    timezone="UTC",
    # The file of a day is stamped 00:00 UTC and holds the market of the day before.
    schedule=Schedule(hour="1-3", day_of_week="mon-sun"),
    terms="The data is in the public domain (CC0 1.0); no key and no limit of requests is known to us.",
    lists=" ".join(_CURRENCIES.values()),
    coverage=(
        "About 160 currencies per dollar, all of ours; an aggregate of sources that it does not name. "
        "Its manat is noise around the peg, and its somoni moves with the spread."
    ),
    # Weekends too. Days may be missing (9 to 11 December 2025), so it is late only after two of them.
    calendar=Calendar(week=EVERY_DAY, due_by=time(0), grace=timedelta(hours=48)),
)
