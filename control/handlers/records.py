"""Recompiles policy records after a change of what they are made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from control.domain.account import Account
from control.domain.catalogue import Product, Shelf
from control.domain.compile import compile_customer, compile_features
from control.store.accounts import all_accounts
from control.store.shelves import load_products
from control.store.unit_of_work import UnitOfWork
from entitlements.policy.ids import RecordKey, customer_record_key, feature_record_key
from entitlements.wire.codec import customer_to_bytes


def recompile_features(uow: UnitOfWork, shelf: Shelf) -> None:
    """Compile all features of a product anew; those that come out the same are forgotten by the unit of work."""
    for feature in compile_features(shelf):
        uow.changed(shelf.product.key, feature_record_key(feature.key), feature)


def recompile_customer(uow: UnitOfWork, account: Account, products: Iterable[Product]) -> None:
    """Compile a customer's record in the feeds of some products."""
    for product in products:
        uow.changed(product.key, customer_record_key(account.id), compile_customer(product, account))


def recompile_everywhere(uow: UnitOfWork, account: Account) -> None:
    """Compile a customer's record in every feed; all of them must be locked."""
    recompile_customer(uow, account, load_products(uow.connection).values())


def customer_bodies(uow: UnitOfWork, product: Product) -> Iterator[tuple[RecordKey, bytes]]:
    """Yield the record of every customer for one product."""
    for account in all_accounts(uow.connection):
        yield customer_record_key(account.id), customer_to_bytes(compile_customer(product, account))
