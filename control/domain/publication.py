"""Whether a plan or add-on version may be published (semantics H2). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from control.domain.catalogue import Offer, Shelf
from control.domain.catalogue_document import read_offer
from control.domain.errors import Conflict, Invalid
from control.domain.fields import Findings


class Publication(NamedTuple):
    """The version, and whether it is new."""

    offer: Offer
    new: bool


def publish(findings: Findings, shelf: Shelf, spec: Mapping[str, Any], *, addon: bool) -> Publication:
    """Return the version that a spec describes; without a number it is the newest one if equal, else the next.

    Raises Invalid with every mistake of the spec, Conflict as `admit` does.
    """
    numbered = spec.get("version") is not None
    offer = read_offer(findings, spec if numbered else {**spec, "version": 1}, "", shelf.features, addon=addon)
    if findings.problems or offer is None:
        raise Invalid(findings.problems)
    if not numbered:
        newest = max((each for each in shelf.offers.values() if each.key == offer.key), key=_version, default=None)
        if newest is not None:
            same = replace(offer, version=newest.version) == newest
            offer = replace(offer, version=newest.version + (0 if same else 1))
    return admit(shelf, offer)


def _version(offer: Offer) -> int:
    return offer.version


def admit(shelf: Shelf, offer: Offer) -> Publication:
    """Return whether a version is new on a shelf.

    Raises Conflict when the number is taken by other content, when a later version is published already, or when the key belongs to the
    other kind of offer.
    """
    siblings = [each for each in shelf.offers.values() if each.key == offer.key]
    next_version = max(map(_version, siblings), default=0) + 1
    if any(each.addon != offer.addon for each in siblings):
        other = "a plan" if offer.addon else "an add-on"
        raise Conflict("key", f"{offer.key!r} is the key of {other}", "Use another key")
    known = shelf.offers.get(offer.ref)
    if known == offer:
        return Publication(offer, new=False)
    remedy = f"Publish the new content as version {next_version}"
    if known is not None:
        raise Conflict("version", f"{offer.ref!r} is published and never changes", remedy)
    if offer.version < next_version - 1:
        raise Conflict("version", f"is below the published version {next_version - 1}", remedy)
    return Publication(offer, new=True)
