"""The memory of two generations: what is used stays, what is not goes, and there is never more than was allowed."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from entitlements.local.memory import Memory


def test_what_is_used_stays() -> None:
    """An entry that is looked up again and again outlives any number of others."""
    memory: Memory[int, str] = Memory(10)
    memory.put(0, "kept")
    for number in range(1, 1_000):
        memory.put(number, "passing")
        assert memory.get(0) == "kept"
    assert len(memory) <= 10
    assert memory.get(1) is None


def test_no_entries_remember_nothing() -> None:
    """A deployment may switch it off."""
    memory: Memory[int, str] = Memory(0)
    memory.put(1, "x")
    assert memory.get(1) is None
    assert len(memory) == 0


@given(st.integers(1, 12), st.lists(st.tuples(st.booleans(), st.integers(0, 20))))
def test_never_wrong_and_never_more_than_allowed(entries: int, steps: list[tuple[bool, int]]) -> None:
    """Against a plain dictionary: what it returns is what was put last, and the recent half is always there."""
    memory: Memory[int, int] = Memory(entries)
    put: dict[int, int] = {}
    recent: list[int] = []
    for turn, (puts, key) in enumerate(steps):
        if puts:
            memory.put(key, turn)
            put[key] = turn
        found = memory.get(key)
        assert found in {None, put.get(key)}
        if found is not None:
            recent = [key, *(other for other in recent if other != key)][: (entries + 1) // 2]
        assert len(memory) <= entries + entries % 2
        assert set(recent) <= memory._young.keys() | memory._old.keys()


def test_many_threads() -> None:
    """No lost update of one's own, whatever the others do."""
    memory: Memory[tuple[int, int], int] = Memory(1_000)
    wrong: list[int] = []

    def work(number: int) -> None:
        for turn in range(2_000):
            memory.put((number, turn % 50), turn)
            if memory.get((number, turn % 50)) not in {turn, None}:
                wrong.append(turn)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert "Memory" in repr(memory)
