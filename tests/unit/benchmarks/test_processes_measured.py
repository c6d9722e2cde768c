"""The scenarios on whole sidecars, as far as they need none: watching many, and weighing one."""

import os
from types import SimpleNamespace
from typing import Any, cast

import pytest

from benchmarks import propagation
from benchmarks.start import RoomyFeed, memory_mib


class Follower:
    """A sidecar that follows after so many questions."""

    def __init__(self, name: str, after: int) -> None:
        self.sidecar = SimpleNamespace(name=name)
        self.after = after
        self.asked = 0

    def allows(self) -> bool:
        """Allow until it has followed."""
        self.asked += 1
        return self.asked <= self.after


def test_each_sidecar_is_asked_until_it_follows_and_no_more() -> None:
    """One that denies is not asked again, so it costs the others nothing; each has a moment of its own, in order."""
    quick, slow = Follower("quick", 0), Follower("slow", 4)
    seen = propagation.followed(cast("Any", [slow, quick]), allowed=False)
    assert (quick.asked, slow.asked) == (1, 5)
    assert len(seen) == 2
    assert seen == sorted(seen)


def test_a_sidecar_that_never_follows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A figure without it would be a lie."""
    monkeypatch.setattr(propagation, "LIMIT_S", 0.01)
    with pytest.raises(TimeoutError, match="stuck"):
        propagation.followed(cast("Any", [Follower("stuck", 1 << 60)]), allowed=False)


def test_a_process_is_weighed_resident_and_proportional() -> None:
    """Shared pages count once among those that map them, so the proportional figure is never the greater one."""
    resident, proportional = memory_mib(os.getpid())
    assert 5 < proportional <= resident < 100_000


@pytest.mark.parametrize("customers, least", [(1_000, 1 << 30), (5_000_000, 5_000_000_000)])
def test_a_large_set_gets_a_large_map(customers: int, least: int) -> None:
    """Five million customers do not fit into the default gibibyte."""
    assert RoomyFeed(customers).map_bytes >= least
