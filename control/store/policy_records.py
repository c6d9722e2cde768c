"""The policy set of a feed as `decide` reads it, straight from the record table."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from control.domain.errors import NotFound
from control.store.tables import feed, record
from entitlements.policy.ids import customer_record_key, feature_record_key, plan_record_key
from entitlements.policy.model import Customer, Feature, PlanVersion
from entitlements.wire.codec import customer_from_bytes, feature_from_bytes, plan_from_bytes

_FEATURES: Final = "f/"
_AFTER_FEATURES: Final = "f0"  # "0" follows "/"


class StoredRecords:
    """Records of one product in one read transaction; each is read once."""

    def __init__(self, connection: Connection, product: str) -> None:
        """Read from a connection; NotFound when there is no such product."""
        known = connection.execute(sa.select(feed.c.epoch, feed.c.seq).where(feed.c.product == product)).one_or_none()
        if known is None:
            raise NotFound("product", product)
        self.position: Final = (known.epoch, known.seq)
        self._connection = connection
        self._product = product
        self._bodies: dict[str, bytes | None] = {}

    @property
    def complete(self) -> bool:
        """Return True: what the database does not have does not exist."""
        return True

    def feature(self, key: str) -> Feature | None:
        """Return a feature or None."""
        body = self._body(feature_record_key(key))
        return None if body is None else feature_from_bytes(body)

    def plan(self, ref: str) -> PlanVersion | None:
        """Return a plan or add-on version or None."""
        body = self._body(plan_record_key(ref))
        return None if body is None else plan_from_bytes(body)

    def customer(self, customer_id: str) -> Customer | None:
        """Return a customer or None."""
        body = self._body(customer_record_key(customer_id))
        return None if body is None else customer_from_bytes(body)

    def feature_keys(self) -> list[str]:
        """Return the keys of all features, sorted."""
        query = sa.select(record.c.key).where(
            record.c.feed == self._product, record.c.key >= _FEATURES, record.c.key < _AFTER_FEATURES
        )
        return [key.removeprefix(_FEATURES) for key in self._connection.execute(query.order_by(record.c.key)).scalars()]

    def _body(self, key: str) -> bytes | None:
        if key not in self._bodies:
            query = sa.select(record.c.body).where(record.c.feed == self._product, record.c.key == key)
            body = self._connection.execute(query).scalar()
            self._bodies[key] = None if body is None else bytes(body)
        return self._bodies[key]

    def __repr__(self) -> str:
        """Show which set at which position."""
        epoch, seq = self.position
        return f"<StoredRecords {self._product} [{epoch}-{seq}]>"
