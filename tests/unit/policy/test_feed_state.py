"""What the rules of the feed do not say one by one: pauses, rates, the ring, timers, and what is shown of a state."""

import pytest

from entitlements.policy.feed_state import FeedState, step, wake_at
from entitlements.policy.feed_state_commands import (
    Ack,
    Apply,
    DropLink,
    FetchHead,
    FetchKeySet,
    OpenLink,
    Persist,
    PollSecondPath,
    Pulse,
)
from entitlements.policy.feed_state_events import (
    Applied,
    ApplyFailed,
    Disconnected,
    FetchFailed,
    Head,
    HeadArrived,
    KeySetArrived,
    KeySetFailed,
    Persisted,
    PollEnded,
    RangeArrived,
    Subscribed,
    Tick,
    WriteProblem,
)
from entitlements.policy.feed_state_page import pages
from entitlements.policy.feed_state_rules import TITLES, Rule
from entitlements.policy.feed_state_value import RING_SIZE, Link, Moment, Path, Phase
from entitlements.policy.ids import Seq
from tests.support.feed_bench import EPOCH, Bench, delta, digest, position, version


def at_head() -> Bench:
    """Return a bench at seq 10, confirmed, with everything periodic just done."""
    bench = Bench().started(10).subscribed()
    bench.hear(10)
    bench.tell(HeadArrived(bench.last(FetchHead).ticket, Head(EPOCH, Seq(10), Seq(1))))
    bench.tell(KeySetArrived(newer=False))
    bench.tell(Persisted(version(10)))
    bench.wait(250)
    bench.tell(Tick())
    bench.forget()
    return bench


def test_a_step_changes_no_state_but_its_own() -> None:
    """The state before a step is as it was: the step is a function."""
    bench = at_head()
    before, shown = bench.state, repr(bench.state)
    after, _ = step(before, Subscribed(), Moment(bench.wall_ms, bench.mono_ms, 0.5))
    assert repr(before) == shown
    assert after != before


def test_the_same_input_gives_the_same_output() -> None:
    """Neither a clock nor a random number is read inside."""
    state = at_head().state
    moment = Moment(Bench().wall_ms, Bench().mono_ms, 0.25)
    assert step(state, Disconnected(), moment) == step(state, Disconnected(), moment)


def test_repr_tells_position_phase_link_and_work() -> None:
    """One line for logs and assertions."""
    bench = at_head()
    assert repr(bench.state) == f"<FeedState [{EPOCH}-10 | LIVE | link up | idle]>"
    bench.tell(Subscribed())
    assert repr(bench.state) == f"<FeedState [{EPOCH}-10 | LIVE | link up | head from redis]>"
    assert repr(FeedState()) == "<FeedState [nothing | UNLOADED | link down | idle]>"


def test_the_ring_keeps_the_last_positions_and_forgets_the_rest() -> None:
    """A duplicate is told from another history as far back as the ring goes, and no further."""
    bench = at_head()
    for seq in range(11, 11 + RING_SIZE):
        bench.follow(seq)
    assert len(bench.state.ring) == RING_SIZE
    last = 10 + RING_SIZE
    assert bench.state.chain_at(Seq(last)) == position(last).chain
    assert bench.state.chain_at(Seq(11)) == position(11).chain
    assert bench.state.chain_at(Seq(10)) is None
    assert bench.state.chain_at(Seq(last + 1)) is None


@pytest.mark.parametrize("failures, most_ms", [(1, 200), (2, 400), (5, 3_200), (6, 5_000), (60, 5_000)])
def test_reconnecting_backs_off_with_full_jitter(failures: int, most_ms: int) -> None:
    """The pause is anything between nothing and a bound that doubles from 0.2 s to 5 s."""
    for draw in (0.0, 0.5, 0.999):
        bench = at_head()
        bench.draw = draw
        for _ in range(failures - 1):
            bench.tell(Disconnected())
            bench.wait(6_000)
            bench.tell(Tick())
            assert bench.state.link is Link.OPENING
        bench.tell(Disconnected())
        assert bench.state.connect_at_mono_ms - bench.mono_ms == 1 + int(most_ms * draw)


def test_an_opening_without_an_outcome_is_given_up() -> None:
    """Whatever swallowed the answer: after three seconds the link is dropped and opened again."""
    bench = at_head()
    bench.tell(Disconnected())
    bench.wait(200)
    bench.tell(Tick())
    assert bench.state.link is Link.OPENING
    bench.forget()
    bench.wait(3_001)
    assert wake_at(bench.state) <= bench.mono_ms
    bench.tell(Tick())
    assert bench.says(DropLink)
    bench.wait(400)
    bench.tell(Tick())
    assert bench.says(OpenLink)


def test_a_heartbeat_on_the_bus_ends_the_backing_off() -> None:
    """A link that works is a link that worked: the next loss starts at the first pause again."""
    bench = at_head()
    bench.tell(Disconnected())
    bench.wait(6_000)
    bench.tell(Tick())
    bench.tell(Subscribed())
    assert bench.state.link_failures == 1
    bench.hear(10)
    assert bench.state.link_failures == 0


def test_a_confirmed_subscription_ends_the_pause_of_the_catch_up() -> None:
    """When Redis is back nothing waits out the failures of its absence."""
    bench = at_head()
    bench.tell(Disconnected())
    bench.hear(20, path=Path.CONTROL)
    for _ in range(5):
        bench.tell(FetchFailed(bench.last(FetchHead).ticket))
        bench.tell(FetchFailed(bench.last(FetchHead).ticket))
        bench.wait(6_000)
        bench.tell(Tick())
    bench.tell(FetchFailed(bench.last(FetchHead).ticket))
    bench.tell(FetchFailed(bench.last(FetchHead).ticket))
    assert bench.state.link is Link.OPENING
    bench.forget()
    bench.tell(Subscribed())
    assert bench.last(FetchHead).path is Path.REDIS


def test_only_one_catch_up_runs_and_none_is_forgotten() -> None:
    """Ten reasons make one catch-up; a reason that comes meanwhile makes one more afterwards."""
    bench = at_head()
    for _ in range(10):
        bench.tell(Subscribed())
    assert sum(isinstance(command, FetchHead) for command in bench.said) == 1
    bench.tell(HeadArrived(bench.last(FetchHead).ticket, Head(EPOCH, Seq(10), Seq(1))))
    assert sum(isinstance(command, FetchHead) for command in bench.said) == 2


def test_a_link_that_is_down_makes_the_control_plane_the_first_choice() -> None:
    """No second is spent on a Redis that is known to be away."""
    bench = at_head()
    bench.tell(Disconnected())
    bench.hear(20, path=Path.CONTROL)
    assert bench.last(FetchHead).path is Path.CONTROL


def test_polls_come_within_a_second_and_stop_when_the_bus_is_live() -> None:
    """While the bus is silent heartbeats are asked for, jittered; its first new heartbeat ends that."""
    bench = at_head()
    bench.tell(Disconnected())
    assert bench.says(PollSecondPath)
    bench.tell(PollEnded())
    assert bench.state.poll_at_mono_ms - bench.mono_ms == 750
    bench.wait(749)
    bench.forget()
    bench.tell(Tick())
    assert not bench.says(PollSecondPath)
    bench.wait(1)
    bench.tell(Tick())
    assert bench.says(PollSecondPath)
    bench.tell(PollEnded())
    bench.tell(Subscribed())
    bench.hear(10)
    bench.forget()
    bench.wait(900)
    bench.tell(Tick())
    assert not bench.says(PollSecondPath)


def test_a_subscription_without_heartbeats_is_polled_beside() -> None:
    """A publisher that cannot reach Redis is noticed: the subscription stands, and still the control plane is asked."""
    bench = Bench().started(10).subscribed()
    bench.wait(1_000)
    bench.tell(Tick())
    assert bench.says(PollSecondPath)
    assert not bench.says(DropLink)


def test_acks_come_every_five_seconds_and_at_most_four_times_a_second() -> None:
    """Whatever happens or does not happen."""
    bench = at_head()
    for seq in range(11, 111):
        bench.follow(seq)
        bench.wait(10)
    assert sum(isinstance(command, Ack) for command in bench.said) in {4, 5}
    bench.wait(250)
    bench.tell(Tick())
    bench.forget()
    bench.wait(bench.state.acked_mono_ms + 4_999 - bench.mono_ms)
    bench.tell(Tick())
    assert not bench.says(Ack)
    bench.wait(1)
    bench.tell(Tick())
    assert bench.last(Ack).position == position(110)


def test_a_failing_key_set_is_asked_for_again() -> None:
    """Without keys nothing is verified, so the next look comes within two seconds, not within thirty."""
    bench = Bench().started(None)
    assert bench.says(FetchKeySet)
    bench.tell(KeySetFailed())
    bench.forget()
    bench.wait(2_000)
    bench.tell(Tick())
    assert bench.says(FetchKeySet)


def test_the_store_is_brought_to_disk_when_it_moved_and_then_only_every_five_seconds() -> None:
    """The floor follows what is on disk, and an idle feed writes nothing."""
    bench = at_head()
    bench.wait(60_000)
    bench.tell(Tick())
    assert not bench.says(Persist)
    bench.follow(11)
    assert bench.says(Persist)
    bench.forget()
    bench.tell(Persisted(version(11)))
    assert bench.state.floor == version(11)
    bench.follow(12)
    assert not bench.says(Persist)
    bench.wait(5_000)
    bench.tell(Tick())
    assert bench.says(Persist)
    bench.tell(Persisted(None))
    assert bench.state.floor == version(11), "a disk that refuses raises no floor"


def test_the_floor_never_sinks() -> None:
    """Whatever is reported."""
    bench = at_head()
    bench.tell(Persisted(version(3)))
    assert bench.state.floor == version(10)


def test_a_page_is_applied_from_where_the_store_is() -> None:
    """Deltas that the bus brought while the page was fetched are not applied twice."""
    bench = at_head()
    bench.hear(13)
    bench.tell(HeadArrived(bench.last(FetchHead).ticket, Head(EPOCH, Seq(13), Seq(1))))
    ticket = bench.state.tickets
    bench.follow(11)
    bench.tell(RangeArrived(ticket, [delta(11), delta(12), delta(13)], b"last"))
    assert list(bench.last(Apply).deltas) == [delta(12), delta(13)]


def test_reports_of_writes_that_nobody_waits_for_change_nothing() -> None:
    """A late report after a restart of the protocol is no position."""
    bench = at_head()
    state = bench.state
    bench.tell(Applied(position(99), digest(99)))
    bench.tell(ApplyFailed(WriteProblem.DIGEST_MISMATCH))
    assert bench.state == state


def test_nothing_becomes_younger_but_by_a_confirming_heartbeat() -> None:
    """Subscriptions, deltas, pages and snapshots renew no age."""
    bench = at_head()
    bench.follow(11)
    bench.tell(Subscribed())
    bench.tell(HeadArrived(bench.last(FetchHead).ticket, Head(EPOCH, Seq(11), Seq(1))))
    assert not bench.says(Pulse)
    bench.hear(11)
    assert bench.says(Pulse)


def test_live_needs_a_confirmation_since_the_start() -> None:
    """A store from last time is BEHIND until a heartbeat of this time says that it is the head."""
    bench = Bench().started(10)
    phases = [bench.state.phase]
    bench.subscribed().hear(10)
    assert [*phases, bench.state.phase] == [Phase.BEHIND, Phase.LIVE]


def test_wake_at_is_the_first_moment_with_something_to_do() -> None:
    """A tick before it does nothing, a tick at it does something; so sleeping until then loses nothing."""
    bench = at_head()
    bench.tell(Disconnected())
    bench.tell(PollEnded())
    for _ in range(40):
        due = wake_at(bench.state)
        bench.wait(max(0, due - bench.mono_ms - 1))
        bench.forget()
        if bench.mono_ms < due:
            bench.tell(Tick())
            assert bench.said == []
            bench.wait(1)
        bench.tell(Tick())
        assert bench.said != [], bench.state
        if bench.says(OpenLink):
            bench.tell(Disconnected())
        if bench.says(PollSecondPath):
            bench.tell(PollEnded())
        if bench.says(FetchKeySet):
            bench.tell(KeySetFailed())


def test_the_reference_page_has_every_rule() -> None:
    """No rule is hidden, and no event is without a title."""
    text = pages()["docs/reference/feed.md"]
    assert [rule.name for rule in Rule if f"| `{rule.name}` |" not in text] == []
    assert {rule.event for rule in Rule} == set(TITLES)
