"""A new SQLite database that several open at once, as a first start and `create-key` beside it do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from control.store.database import open_engine
from control.store.schema import is_current, migrate

OPENERS = 4


def test_everybody_who_opens_a_new_database_at_once_gets_in(tmp_path: Path) -> None:
    """Switching to write-ahead logging is refused to all but one at that moment; the others wait for their turn."""
    with ThreadPoolExecutor(OPENERS) as pool:
        for number in range(60):
            together = Barrier(OPENERS)

            def open_and_migrate(url: str, together: Barrier = together) -> bool:
                together.wait(10)
                engine = open_engine(url)
                try:
                    migrate(engine)
                    return is_current(engine)
                finally:
                    engine.dispose()

            url = f"sqlite:///{tmp_path / f'{number}.db'}"
            assert list(pool.map(open_and_migrate, [url] * OPENERS)) == [True] * OPENERS
