"""The routes of /api/v1, one module for each kind of thing.

Owns: address, scope, body and reply of every operation; ROUTERS lists them in the order of the reference page.
Imported by: `control.app` and the reference page.
Invariant: a route turns a request into one command or one query and holds no rule of its own.
"""

from typing import Final

from fastapi import APIRouter

from control.api.routers.apply import documents
from control.api.routers.audit import trail
from control.api.routers.catalogue import addons, plans, products
from control.api.routers.customers import customers
from control.api.routers.decisions import decisions
from control.api.routers.exceptions import overrides, promotions, suspensions
from control.api.routers.keys import keys
from control.api.routers.operations import feeds
from control.api.routers.subscriptions import subscriptions

ROUTERS: Final[tuple[APIRouter, ...]] = (
    products,
    plans,
    addons,
    documents,
    customers,
    subscriptions,
    overrides,
    suspensions,
    promotions,
    decisions,
    trail,
    feeds,
    keys,
)
