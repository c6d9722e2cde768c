"""`entitlements feed` on a real database: it shows, it begins epochs, and it says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from control.cli.feed import run
from control.store import tables
from entitlements.runtime.clock import ManualClock
from tests.support.publishing import EPOCH, START_MS, Vendor, open_store


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Make a database with two products."""
    address = f"sqlite:///{tmp_path / 'control.db'}"
    store = open_store(address)
    Vendor(store, "suite").commit(3)
    Vendor(store, "insight").commit(1)
    store.engine.dispose()
    return address


def test_it_shows_every_feed(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a product, with its position; the environment names the database."""
    assert run(["show"], {"ENTITLEMENTS_CONTROL_DATABASE": url}, ManualClock(START_MS)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"insight: {EPOCH}-1", f"suite: {EPOCH}-3"]


@pytest.mark.parametrize("which, changed", [(["--all"], {"suite", "insight"}), (["--product", "suite"], {"suite"})])
def test_it_begins_epochs_and_leaves_an_audit_event(url: str, which: list[str], changed: set[str]) -> None:
    """The epoch is the time in seconds, the trail says who, what and why."""
    arguments = ["--database", url, "re-epoch", *which, "--reason", "backup of Tuesday"]
    assert run(arguments, {}, ManualClock(START_MS)) == 0
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        heads = connection.execute(sa.select(tables.feed.c.product, tables.feed.c.epoch, tables.feed.c.seq)).all()
        events = connection.execute(
            sa.select(tables.audit.c.subject, tables.audit.c.action, tables.audit.c.actor, tables.audit.c.after)
        ).all()
    engine.dispose()
    assert {row.product for row in heads if row.epoch == START_MS // 1_000 and row.seq == 0} == changed
    told = [event for event in events if event.action == "feed.re-epoch"]
    assert {event.subject for event in told} == {f"product/{name}" for name in changed}
    assert all(event.actor == "cli:feed" and "backup of Tuesday" in event.after for event in told)


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["re-epoch", "--product", "nothing"], "products are insight, suite"),
        (["--database", "mysql://x/y", "show"], "postgresql://"),
        (["--database", "sqlite:////nowhere/at/all/x.db", "show"], "cannot be used"),
    ],
)
def test_it_says_what_is_wrong(url: str, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and one sentence; nothing is changed."""
    assert run(arguments, {"ENTITLEMENTS_CONTROL_DATABASE": url}, ManualClock(START_MS)) == 1
    assert told in capsys.readouterr().err


def test_a_database_without_our_schema_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not migrated by the way."""
    assert run(["--database", f"sqlite:///{tmp_path / 'empty.db'}", "show"], {}, ManualClock(START_MS)) == 1
    assert "another schema" in capsys.readouterr().err
