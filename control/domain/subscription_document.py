"""Reads subscriptions from their document form and judges items and timelines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from control.domain.account import HeldSubscription, StateSpan, windows_meet
from control.domain.catalogue import Catalogue, Shelf
from control.domain.catalogue_document import STATES, VERSION_MAX, parse_ref
from control.domain.fields import Fields, Findings, at
from entitlements.policy.ids import PlanRef, ProductId
from entitlements.policy.model import SUSPENSION_CAUSES, SubscriptionItem, SubscriptionState

CAUSES: Final = {cause: cause for cause in SUSPENSION_CAUSES}
SUBSCRIPTION_FIELDS: Final = frozenset({"id", "product", "items", "timeline", "cancel_at"})


def read_subscription(findings: Findings, value: object, path: str, catalogue: Catalogue) -> HeldSubscription:
    """Return a subscription; its plan and add-on versions must be on the product's shelf."""
    fields = Fields(findings, value, path, SUBSCRIPTION_FIELDS)
    shelf = read_shelf(fields, catalogue)
    items = tuple(_item(findings, element, inner, shelf) for element, inner in fields.each("items"))
    if not items:
        fields.missing("items", "Add the plan version that is held, such as {ref: pro@3}")
    else:
        check_items(findings, items, shelf, at(path, "items"))
    timeline = tuple(_span(findings, element, inner) for element, inner in fields.each("timeline"))
    if not timeline:
        fields.missing("timeline", "Add at least one state, such as {state: ACTIVE}")
    check_timeline(findings, timeline, at(path, "timeline"))
    product = shelf.product.key if shelf else ProductId("")
    return HeldSubscription(
        id=fields.ident("id"), product=product, items=items, timeline=timeline, cancel_at_ms=fields.instant("cancel_at")
    )


def _item(findings: Findings, value: object, path: str, shelf: Shelf | None) -> SubscriptionItem:
    fields = Fields(findings, value, path, {"ref", "quantity", "from", "until"})
    ref = parse_ref(fields.raw("ref"))
    if ref is None:
        fields.refuse("ref", "is not a plan or add-on version", "Write KEY@VERSION, such as pro@3")
    elif shelf is not None and ref not in shelf.offers:
        remedy = "Publish this version first, or write one that is published"
        fields.refuse("ref", f"{ref!r} is not a plan or add-on version of {shelf.product.key!r}", remedy)
    quantity = fields.whole("quantity", 1, 1, VERSION_MAX)
    return SubscriptionItem(ref or PlanRef(""), quantity, fields.window())


def check_items(findings: Findings, items: Sequence[SubscriptionItem], shelf: Shelf | None, path: str) -> None:
    """Note two plan versions, or the same add-on twice, held at one time."""
    offers = shelf.offers if shelf else {}
    known = [(index, item, offers[item.ref]) for index, item in enumerate(items) if item.ref in offers]
    for position, (index, item, offer) in enumerate(known):
        for _, earlier, other in known[:position]:
            if offer.addon != other.addon or (offer.addon and offer.key != other.key):
                continue
            if windows_meet(item.window, earlier.window):
                both = f"{earlier.ref} and {item.ref} at the same time"
                remedy = (
                    "Raise the quantity instead"
                    if offer.addon
                    else "End the first with `until` where the second begins"
                )
                findings.refuse(f"{path}[{index}]", f"holds {both}", remedy)


def _span(findings: Findings, value: object, path: str) -> StateSpan:
    fields = Fields(findings, value, path, {"state", "from", "until", "cause"})
    if "state" not in fields:
        fields.missing("state", f"Write one of {', '.join(STATES)}")
    state = fields.choice("state", STATES, None) or SubscriptionState.ACTIVE
    if "cause" in fields and state is not SubscriptionState.SUSPENDED:
        fields.refuse("cause", f"is given for the state {state.name}", "Only SUSPENDED has a cause; remove it")
    return StateSpan(state, fields.window(), fields.choice("cause", CAUSES, "") or "")


def check_timeline(findings: Findings, timeline: Sequence[StateSpan], path: str) -> None:
    """Note spans that are out of order or overlap."""
    for index in range(1, len(timeline)):
        before, span = timeline[index - 1].window, timeline[index].window
        here = f"{path}[{index}]"
        if span.from_ms is None:
            findings.refuse(at(here, "from"), "is missing", "Only the first state may have begun always; add its date")
        elif before.from_ms is not None and span.from_ms <= before.from_ms:
            findings.refuse(at(here, "from"), "is out of order", "List the states in the order of their dates")
        elif before.until_ms is None or span.from_ms < before.until_ms:
            findings.refuse(here, "overlaps the state before it", "End that one with `until` where this one begins")


def read_shelf(fields: Fields, catalogue: Catalogue) -> Shelf | None:
    """Return the shelf of the product that a mapping names, None after noting that it is unknown."""
    key = fields.ident("product")
    shelf = catalogue.get(ProductId(key))
    if key and shelf is None:
        known = ", ".join(sorted(catalogue)[:5]) or "none yet"
        fields.refuse("product", f"{key!r} is not in the catalogue", f"Known products: {known}")
    return shelf
