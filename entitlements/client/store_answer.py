"""An answer decided in this process: made in a sixth of a microsecond, because nothing is formatted before it is looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from entitlements.client.answer import Answer
from entitlements.client.ruling import Ruling, Said
from entitlements.policy.freshness import FreshnessState
from entitlements.store.layout import StoreState
from entitlements.v1 import check_service_pb2
from entitlements.wire.responses import encode_decision, encode_tail

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class StoreAnswer(Answer):
    """What was decided from the mapped store, given at a moment."""

    __slots__ = ("_position", "_said", "_state", "_until_ms")

    def __init__(
        self,
        said: Said,
        freshness: FreshnessState,
        position: StoreState,
        age_ms: int,
        until_ms: int | None,
        decision_id: str,
    ) -> None:
        self._said = said
        self._state = freshness
        self._position = position
        self._age_ms = age_ms
        self._until_ms = until_ms
        self._id = decision_id

    @property
    def _ruling(self) -> Ruling:
        return self._said.ruling

    @property
    def allowed(self) -> bool:
        """The verdict."""
        return self._said.outcome.decision.allowed

    @property
    def code(self) -> str:
        """The one reason, such as ``ENTITLED`` or ``NOT_IN_PLAN``."""
        return self._said.code

    def __bool__(self) -> bool:
        """Return the verdict."""
        return self._said.outcome.decision.allowed

    @property
    def freshness(self) -> str:
        """``FRESH``, ``STALE`` or ``TOO_STALE``."""
        return self._state.name

    @property
    def version(self) -> str:
        """``epoch-seq`` of the policy that answered."""
        return f"{self._position.epoch}-{self._position.seq}"

    @property
    def valid_until(self) -> datetime | None:
        """Until when the answer may be cached; None when nothing is scheduled."""
        return None if self._until_ms is None else _EPOCH + timedelta(milliseconds=self._until_ms)

    @property
    def message(self) -> check_service_pb2.CheckResponse | None:
        """The response that a sidecar would have sent, made when it is asked for."""
        outcome, (epoch, seq) = self._said.outcome, self._position[:2]
        body = encode_decision(outcome.decision, outcome.served_from, self._said.as_of_ms)
        tail = encode_tail(self._state, epoch, seq, self._age_ms or 0, self._until_ms, self._id)
        return check_service_pb2.CheckResponse.FromString(body + tail)
