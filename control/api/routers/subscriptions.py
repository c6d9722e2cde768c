"""Subscriptions and what happens to them: every action has its date and answers with the subscription as it is then."""

from __future__ import annotations

from fastapi import Response

from control.api.credentials import Scope
from control.api.describing import reads, writes
from control.api.instants import read_instants, read_window
from control.api.paging import Wanted
from control.api.reading import Reads, page_reply, stored_reply
from control.api.route import api_router
from control.api.schemas.customers import (
    NOW,
    OPEN_TERM,
    AddAddon,
    At,
    ChangePlan,
    ExtendTrial,
    PastDue,
    Start,
    SubscriptionBody,
    SubscriptionForm,
    Suspend,
    SuspensionForm,
    Term,
)
from control.api.schemas.replies import Page, Stored, Written
from control.api.segments import PathId
from control.api.writing import Write
from control.domain.subscription import Terms
from control.handlers import subscriptions as handlers
from control.handlers.suspensions import end_suspension
from control.store import resources, tables
from control.store.accounts import load_account
from entitlements.policy.ids import Millis
from entitlements.policy.model import SubscriptionState

LIST = "/customers/{customer}/subscriptions"
ONE = LIST + "/{subscription}"
subscriptions = api_router("subscriptions")
ACTION = writes(Scope.WRITE, Written[SubscriptionForm])


@subscriptions.get(
    LIST, response_model=Page[Stored[SubscriptionForm]], summary="List a customer's subscriptions", **reads()
)
def list_subscriptions(customer: PathId, store: Reads, wanted: Wanted) -> Response:
    """Of all products, ended ones too."""
    with store.reading() as connection:
        load_account(connection, customer)
        keys = {"customer": customer}
        found = resources.page(connection, tables.subscriptions, keys, "id", wanted.after, wanted.limit + 1)
    return page_reply("id", found, wanted)


@subscriptions.get(ONE, response_model=Stored[SubscriptionForm], summary="Read a subscription", **reads(tagged=True))
def read_subscription(customer: PathId, subscription: PathId, store: Reads) -> Response:
    """Items and the whole timeline, past and planned."""
    keys = {"customer": customer, "id": subscription}
    with store.reading() as connection:
        return stored_reply("subscription", subscription, resources.find(connection, tables.subscriptions, keys))


@subscriptions.put(
    ONE,
    summary="Create or replace a subscription",
    **writes(Scope.WRITE, Written[SubscriptionForm], creates=True),
)
def put_subscription(customer: PathId, subscription: PathId, body: SubscriptionBody, write: Write) -> Response:
    """Whole, with its timeline, as a billing system mirrors it; the actions below change it step by step."""
    spec = body.fragment()
    return write.save(
        subscription, lambda uow: handlers.put_subscription(uow, customer, subscription, spec, write.expected)
    )


@subscriptions.post(
    ONE + "/start",
    summary="Begin a subscription",
    **writes(Scope.WRITE, Written[SubscriptionForm], creates=True),
)
def start(customer: PathId, subscription: PathId, body: Start, store: Reads, write: Write) -> Response:
    """From a start, a trial and a term; PUT takes a timeline that is worked out already."""
    now_ms = store.clock.now_ms()
    read = read_instants(
        now_ms, at=body.at, trial_until=body.trial_until, until=body.until, grace_until=body.grace_until
    )
    terms = Terms(
        start_ms=Millis(now_ms) if read["at"] is None else read["at"],
        trial_until_ms=read["trial_until"],
        converts=body.converts,
        until_ms=read["until"],
        grace_until_ms=read["grace_until"],
        pending=None if body.pending is None else SubscriptionState[body.pending],
    )
    items = {body.plan: body.quantity, **body.addons}
    return write.save(
        subscription,
        lambda uow: handlers.start_subscription(uow, customer, subscription, body.product, items, terms),
    )


@subscriptions.post(ONE + "/change-plan", summary="Move to another plan version", **ACTION)
def change_plan(customer: PathId, subscription: PathId, body: ChangePlan, store: Reads, write: Write) -> Response:
    """Add-ons stay."""
    at = read_instants(store.clock.now_ms(), at=body.at)["at"]
    return write.save(
        subscription,
        lambda uow: handlers.change_plan(uow, customer, subscription, body.plan, at, body.quantity, write.expected),
        creates=False,
    )


@subscriptions.post(ONE + "/add-addon", summary="Add an add-on version", **ACTION)
def add_addon(customer: PathId, subscription: PathId, body: AddAddon, store: Reads, write: Write) -> Response:
    """From now on, when no window is given."""
    window = read_window(store.clock.now_ms(), body.from_, body.until)
    return write.save(
        subscription,
        lambda uow: handlers.add_addon(uow, customer, subscription, body.ref, body.quantity, window, write.expected),
        creates=False,
    )


@subscriptions.post(ONE + "/addons/{ref}/remove", summary="Stop holding an add-on version", **ACTION)
def remove_addon(
    customer: PathId, subscription: PathId, ref: PathId, store: Reads, write: Write, body: At = NOW
) -> Response:
    """Now, or at a date."""
    at = read_instants(store.clock.now_ms(), at=body.at)["at"]
    return write.save(
        subscription,
        lambda uow: handlers.remove_addon(uow, customer, subscription, ref, at, write.expected),
        creates=False,
    )


@subscriptions.post(ONE + "/cancel", summary="Cancel, now or at a date", **ACTION)
def cancel(customer: PathId, subscription: PathId, store: Reads, write: Write, body: At = NOW) -> Response:
    """Until the date it stays as it is."""
    at = read_instants(store.clock.now_ms(), at=body.at)["at"]
    return write.save(
        subscription, lambda uow: handlers.cancel(uow, customer, subscription, at, write.expected), creates=False
    )


@subscriptions.post(ONE + "/uncancel", summary="Take back a cancellation that has not come yet", **ACTION)
def uncancel(customer: PathId, subscription: PathId, write: Write) -> Response:
    """The timeline is as it was."""
    return write.save(
        subscription, lambda uow: handlers.uncancel(uow, customer, subscription, write.expected), creates=False
    )


@subscriptions.post(ONE + "/convert-trial", summary="Let a trial become a paying subscription", **ACTION)
def convert_trial(customer: PathId, subscription: PathId, store: Reads, write: Write, body: At = NOW) -> Response:
    """At its end, when no date is given."""
    at = read_instants(store.clock.now_ms(), at=body.at)["at"]
    return write.save(
        subscription, lambda uow: handlers.convert_trial(uow, customer, subscription, at, write.expected), creates=False
    )


@subscriptions.post(ONE + "/extend-trial", summary="Move a trial's end", **ACTION)
def extend_trial(customer: PathId, subscription: PathId, body: ExtendTrial, store: Reads, write: Write) -> Response:
    """Later or earlier, in the future."""
    until = read_instants(store.clock.now_ms(), until=body.until)["until"]
    if until is None:  # the schema requires it
        raise AssertionError
    return write.save(
        subscription,
        lambda uow: handlers.extend_trial(uow, customer, subscription, until, write.expected),
        creates=False,
    )


@subscriptions.post(ONE + "/past-due", summary="Note a failed payment", **ACTION)
def past_due(customer: PathId, subscription: PathId, body: PastDue, store: Reads, write: Write) -> Response:
    """Access in grace until a date, none after it, unless activated before."""
    read = read_instants(store.clock.now_ms(), at=body.at, grace_until=body.grace_until)
    grace = read["grace_until"]
    if grace is None:  # the schema requires it
        raise AssertionError
    return write.save(
        subscription,
        lambda uow: handlers.mark_past_due(uow, customer, subscription, grace, read["at"], write.expected),
        creates=False,
    )


@subscriptions.post(ONE + "/activate", summary="Let a pending, past due or scheduled subscription be active", **ACTION)
def activate(customer: PathId, subscription: PathId, store: Reads, write: Write, body: Term = OPEN_TERM) -> Response:
    """As after a payment or an approval."""
    read = read_instants(store.clock.now_ms(), at=body.at, until=body.until)
    return write.save(
        subscription,
        lambda uow: handlers.activate(uow, customer, subscription, read["at"], read["until"], write.expected),
        creates=False,
    )


@subscriptions.post(ONE + "/renew", summary="Begin another term, or let the running one end later", **ACTION)
def renew(customer: PathId, subscription: PathId, store: Reads, write: Write, body: Term = OPEN_TERM) -> Response:
    """Open-ended, when no end is given."""
    read = read_instants(store.clock.now_ms(), at=body.at, until=body.until)
    return write.save(
        subscription,
        lambda uow: handlers.renew(uow, customer, subscription, read["at"], read["until"], write.expected),
        creates=False,
    )


@subscriptions.post(
    ONE + "/suspensions/{suspension}",
    summary="Suspend a subscription",
    **writes(Scope.WRITE, Written[SuspensionForm], creates=True),
)
def suspend(customer: PathId, subscription: PathId, suspension: PathId, body: Suspend, write: Write) -> Response:
    """Reversible: the plan stays. From now on, when no window is given."""
    spec = body.fragment()
    return write.save(
        suspension,
        lambda uow: handlers.suspend(uow, customer, subscription, suspension, spec, write.expected or 0),
    )


@subscriptions.post(
    ONE + "/suspensions/{suspension}/reinstate",
    summary="Reinstate a suspended subscription",
    **writes(Scope.WRITE, Written[SuspensionForm]),
)
def reinstate(
    customer: PathId, subscription: PathId, suspension: PathId, store: Reads, write: Write, body: At = NOW
) -> Response:
    """End one suspension, now or at a date; the same as ending it under /suspensions."""
    del subscription  # part of the address only; the suspension's own id is unique for the customer
    at = read_instants(store.clock.now_ms(), at=body.at)["at"]
    return write.save(
        suspension, lambda uow: end_suspension(uow, customer, suspension, at, write.expected), creates=False
    )
