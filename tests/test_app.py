"""What is put together, as far as that can be seen without running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ticker.app import default_data_dir, demo_settings
from ticker.config import Settings, SourceSettings
from ticker.rules import enabled_sources
from ticker.sources import SOURCES


def test_the_demo_asks_its_stand_ins_and_nobody_else() -> None:
    own = Settings(sources={"nbk": SourceSettings(base_url="http://elsewhere.example")})
    stand_ins = {"nbkr": "http://127.0.0.1:1", "erapi": "http://127.0.0.1:2"}

    rehearsed = demo_settings(own, stand_ins, every=6)

    assert [source.key for source in enabled_sources(rehearsed)] == ["nbkr", "erapi"]
    assert {key: said.base_url for key, said in rehearsed.sources.items() if said.base_url} == stand_ins
    assert rehearsed.sources.keys() == SOURCES.keys()
    assert rehearsed.label == "demo"


@pytest.mark.parametrize(("every", "interval"), [(6, 1), (1, 1), (20, 5), (86_400, 21_600)])
def test_the_demo_asks_a_few_times_in_each_of_its_days(every: float, interval: int) -> None:
    rehearsed = demo_settings(Settings(), {"nbkr": "http://127.0.0.1:1"}, every=every)

    assert {said.interval_seconds for said in rehearsed.sources.values()} == {interval}


def test_data_are_kept_where_the_system_keeps_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    by_default = default_data_dir("serve")
    monkeypatch.setenv("XDG_STATE_HOME", "/var/lib/state")

    assert by_default == tmp_path / ".local" / "state" / "currency-ticker" / "serve"
    assert default_data_dir("serve") == Path("/var/lib/state/currency-ticker/serve")
