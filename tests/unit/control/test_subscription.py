"""The life of a subscription: one table says what is possible, each action gives a sound timeline."""

from collections.abc import Callable

import pytest

from control.domain import subscription as life
from control.domain import timeline
from control.domain.account import HeldSubscription, StateSpan
from control.domain.compile import effective_timeline
from control.domain.errors import Conflict
from control.domain.subscription import PERMITTED, Action, Terms
from entitlements.policy.ids import Millis, PlanRef, ProductId
from entitlements.policy.model import SubscriptionItem, SubscriptionState, Window

S = SubscriptionState
DAY = 86_400_000
NOW = Millis(1_000 * DAY)
PRO, MAX, EXTRA = PlanRef("pro@1"), PlanRef("max@1"), PlanRef("extra@1")


def day(number: int) -> Millis:
    """Return the instant so many days from now."""
    return Millis(NOW + number * DAY)


def span(state: SubscriptionState, start: int | None, end: int | None) -> StateSpan:
    """Return a span from day to day."""
    return StateSpan(state, Window(None if start is None else day(start), None if end is None else day(end)))


def held(*spans: StateSpan, items: tuple[SubscriptionItem, ...] = (SubscriptionItem(PRO),)) -> HeldSubscription:
    """Return a subscription with a timeline."""
    return HeldSubscription("s", ProductId("p"), items, spans)


ACTIONS: dict[Action, Callable[[HeldSubscription], HeldSubscription]] = {
    Action.CHANGE_PLAN: lambda sub: life.change_plan(sub, NOW, MAX, None, {EXTRA}),
    Action.ADD_ADDON: lambda sub: life.add_addon(sub, SubscriptionItem(EXTRA, 2, Window(NOW, None)), NOW),
    Action.REMOVE_ADDON: lambda sub: life.remove_addon(
        HeldSubscription(sub.id, sub.product, (*sub.items, SubscriptionItem(EXTRA)), sub.timeline), EXTRA, NOW, NOW
    ),
    Action.CONVERT_TRIAL: lambda sub: timeline.convert_trial(sub, None, NOW),
    Action.EXTEND_TRIAL: lambda sub: timeline.extend_trial(sub, day(30), NOW),
    Action.CANCEL: lambda sub: timeline.cancel(sub, day(3), NOW),
    Action.UNCANCEL: lambda sub: timeline.uncancel(
        HeldSubscription(sub.id, sub.product, sub.items, sub.timeline, day(5)), NOW
    ),
    Action.MARK_PAST_DUE: lambda sub: timeline.mark_past_due(sub, NOW, day(7), NOW),
    Action.ACTIVATE: lambda sub: timeline.activate(sub, NOW, None, NOW),
    Action.RENEW: lambda sub: timeline.renew(sub, NOW, day(365), NOW),
}


def sound(subscription: HeldSubscription) -> bool:
    """Return whether spans are in order, do not overlap and are never empty."""
    end: int | None = 0
    for each in effective_timeline(subscription.timeline, subscription.cancel_at_ms):
        start = each.window.from_ms or 0
        if end is None or start < end or (each.window.until_ms is not None and each.window.until_ms <= start):
            return False
        end = each.window.until_ms
    return all(
        item.window.until_ms is None or (item.window.from_ms or 0) < item.window.until_ms for item in subscription.items
    )


@pytest.mark.parametrize("state", SubscriptionState)
@pytest.mark.parametrize("action", Action)
def test_the_table_is_the_whole_truth(action: Action, state: SubscriptionState) -> None:
    """Every action in every state either follows the table or is refused with the states it starts from."""
    subscription = held(span(state, -10, 10))
    if state in PERMITTED[action]:
        assert sound(ACTIONS[action](subscription))
    else:
        with pytest.raises(Conflict, match=f"state: is {state.name}, which {action.value} does not start from"):
            ACTIONS[action](subscription)


def test_states_outside_the_timeline() -> None:
    """Before the first span SCHEDULED, after the last EXPIRED, after a failed payment still PAST_DUE."""
    assert life.state_at(held(span(S.ACTIVE, 1, 2)), NOW) is S.SCHEDULED
    assert life.state_at(held(span(S.ACTIVE, -2, -1)), NOW) is S.EXPIRED
    assert life.state_at(held(span(S.PAST_DUE, -2, -1)), NOW) is S.PAST_DUE


@pytest.mark.parametrize(
    "terms, spans",
    [
        (Terms(NOW), [span(S.ACTIVE, 0, None)]),
        (Terms(day(2)), [span(S.SCHEDULED, 0, 2), span(S.ACTIVE, 2, None)]),
        (Terms(NOW, trial_until_ms=day(14)), [span(S.TRIALING, 0, 14)]),
        (Terms(NOW, trial_until_ms=day(14), converts=True), [span(S.TRIALING, 0, 14), span(S.ACTIVE, 14, None)]),
        (
            Terms(NOW, until_ms=day(365), grace_until_ms=day(379)),
            [span(S.ACTIVE, 0, 365), span(S.GRACE, 365, 379)],
        ),
        (Terms(NOW, pending=S.PENDING_PAYMENT), [span(S.PENDING_PAYMENT, 0, None)]),
    ],
)
def test_beginnings(terms: Terms, spans: list[StateSpan]) -> None:
    """What is agreed becomes dated states."""
    assert list(life.start("s", ProductId("p"), (SubscriptionItem(PRO),), terms, NOW).timeline) == spans


@pytest.mark.parametrize(
    "terms, field",
    [
        (Terms(NOW, trial_until_ms=NOW), "trial_until"),
        (Terms(NOW, until_ms=day(-1)), "until"),
        (Terms(NOW, trial_until_ms=day(5), converts=True, until_ms=day(4)), "until"),
        (Terms(NOW, until_ms=day(5), grace_until_ms=day(5)), "grace_until"),
        (Terms(NOW, grace_until_ms=day(5)), "grace_until"),
    ],
)
def test_terms_out_of_order_are_refused(terms: Terms, field: str) -> None:
    """Each date follows the one before it."""
    with pytest.raises(Conflict, match=f"^{field}: "):
        life.start("s", ProductId("p"), (SubscriptionItem(PRO),), terms, NOW)


def test_changing_the_plan_ends_one_item_and_begins_another() -> None:
    """Add-ons stay; a change that was planned for later is dropped; the same plan again is no change."""
    items = (SubscriptionItem(PRO, 3), SubscriptionItem(EXTRA, 2))
    subscription = held(span(S.ACTIVE, -10, None), items=items)
    later = life.change_plan(subscription, day(30), MAX, None, {EXTRA})
    assert later.items == (
        SubscriptionItem(PRO, 3, Window(None, day(30))),
        SubscriptionItem(MAX, 3, Window(day(30), None)),
        SubscriptionItem(EXTRA, 2),
    )
    sooner = life.change_plan(later, NOW, MAX, 5, {EXTRA})
    assert sooner.items == (
        SubscriptionItem(PRO, 3, Window(None, NOW)),
        SubscriptionItem(MAX, 5, Window(NOW, None)),
        SubscriptionItem(EXTRA, 2),
    )
    assert life.change_plan(sooner, day(1), MAX, 5, {EXTRA}) == sooner


def test_add_ons_come_and_go() -> None:
    """Twice at one time is refused; what began only at that instant leaves no trace."""
    subscription = held(span(S.ACTIVE, -10, None))
    item = SubscriptionItem(EXTRA, 1, Window(NOW, None))
    more = life.add_addon(subscription, item, NOW)
    assert life.add_addon(more, item, NOW) == more
    with pytest.raises(Conflict, match="is held at the same time"):
        life.add_addon(more, item._replace(quantity=2), NOW)
    assert life.remove_addon(more, EXTRA, day(3), NOW).items[-1].window == Window(NOW, day(3))
    assert life.remove_addon(more, EXTRA, NOW, NOW) == subscription
    with pytest.raises(Conflict, match="is not held at that time"):
        life.remove_addon(subscription, EXTRA, NOW, NOW)
    with pytest.raises(Conflict, match="the only thing"):
        life.remove_addon(held(span(S.ACTIVE, -1, None), items=(item,)), EXTRA, NOW, NOW)


def test_trials_are_extended_and_converted() -> None:
    """What begins where the trial ended moves with its end."""
    trial = held(span(S.TRIALING, -4, 10), span(S.ACTIVE, 10, 375))
    assert timeline.extend_trial(trial, day(20), NOW).timeline == (span(S.TRIALING, -4, 20), span(S.ACTIVE, 20, 375))
    assert timeline.convert_trial(trial, NOW, NOW).timeline == (span(S.TRIALING, -4, 0), span(S.ACTIVE, 0, None))
    assert timeline.convert_trial(trial, None, NOW).timeline == (span(S.TRIALING, -4, 10), span(S.ACTIVE, 10, None))
    for end in (day(-1), day(400)):
        with pytest.raises(Conflict, match="until: is"):
            timeline.extend_trial(trial, end, NOW)
    for at in (day(11), day(-5)):
        with pytest.raises(Conflict, match="at: "):
            timeline.convert_trial(trial, at, NOW)


def test_a_cancellation_is_a_date_that_can_be_taken_back() -> None:
    """The end of the term is not forgotten meanwhile."""
    subscription = held(span(S.ACTIVE, -10, 100), span(S.GRACE, 100, 110))
    cancelled = timeline.cancel(subscription, day(30), NOW)
    assert life.state_at(cancelled, day(29)) is S.ACTIVE
    assert life.state_at(cancelled, day(30)) is S.CANCELED
    assert timeline.uncancel(cancelled, NOW) == subscription
    with pytest.raises(Conflict, match="no cancellation is planned"):
        timeline.uncancel(subscription, NOW)
    with pytest.raises(Conflict, match="CANCELED"):
        timeline.uncancel(cancelled, day(31))
    with pytest.raises(Conflict, match="before the present state ACTIVE began"):
        timeline.cancel(subscription, day(-11), NOW)


def test_a_failed_payment_gives_grace_until_it_is_paid() -> None:
    """Paid in time or late: active again; the gap between stays a gap."""
    subscription = held(span(S.ACTIVE, -10, None))
    unpaid = timeline.mark_past_due(subscription, NOW, day(7), NOW)
    assert unpaid.timeline == (span(S.ACTIVE, -10, 0), span(S.PAST_DUE, 0, 7))
    assert timeline.activate(unpaid, day(3), None, day(3)).timeline[-2:] == (
        span(S.PAST_DUE, 0, 3),
        span(S.ACTIVE, 3, None),
    )
    late = timeline.activate(unpaid, day(9), day(30), day(9))
    assert late.timeline[-2:] == (span(S.PAST_DUE, 0, 7), span(S.ACTIVE, 9, 30))
    with pytest.raises(Conflict, match="before the end of the last state"):
        timeline.activate(unpaid, day(6), None, day(9))
    with pytest.raises(Conflict, match="grace_until"):
        timeline.mark_past_due(subscription, NOW, NOW, NOW)


def test_renewals_lengthen_or_begin_a_term() -> None:
    """A running term gets another end; an ended one is followed by a new one; a planned cancellation is dropped."""
    running = HeldSubscription(
        "s", ProductId("p"), (SubscriptionItem(PRO),), (span(S.ACTIVE, -10, 5), span(S.GRACE, 5, 9)), day(4)
    )
    renewed = timeline.renew(running, NOW, day(370), NOW)
    assert renewed.timeline == (span(S.ACTIVE, -10, 370),)
    assert renewed.cancel_at_ms is None
    ended = held(span(S.ACTIVE, -10, -5))
    assert timeline.renew(ended, NOW, None, NOW).timeline == (span(S.ACTIVE, -10, -5), span(S.ACTIVE, 0, None))
    with pytest.raises(Conflict, match="is not after"):
        timeline.renew(running, NOW, day(-1), NOW)
