"""The answer as an application reads it: plain Python values, no protobuf.

It has two parts, as on the wire (ADR 0006): the ruling, which stays the same as long as the records do and may be shared by many answers, and
the moment at which it was given.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Self

from entitlements.client.question import Fallback, Question
from entitlements.client.ruling import Ruling, name_of, ruling_of_message
from entitlements.policy.model import Value
from entitlements.v1 import check_service_pb2, decision_pb2

_FALLBACKS: Final = frozenset({"STATIC_FALLBACK", "CALLER_FALLBACK"})


class Answer:
    """One decision. ``bool(answer)`` is the verdict. Immutable; two answers are equal when all that they show is.

    An application's own tests may make one from its fields: ``Answer("exports", allowed=True, code="ENTITLED", ...)``.
    """

    __slots__ = ("_age_ms", "_freshness", "_id", "_message", "_told", "_valid_until", "_version")

    def __init__(
        self,
        feature: str,
        allowed: bool,  # noqa: FBT001 - the verdict itself
        code: str,
        access_level: str,
        served_from: str,
        *,
        freshness: str = "",
        version: str = "",
        age_ms: int | None = None,
        valid_until: datetime | None = None,
        decision_id: str = "",
        message: check_service_pb2.CheckResponse | None = None,
        **rest: Any,
    ) -> None:
        """Make an answer from its fields; `rest` are those of a Ruling."""
        self._told = Ruling(feature, allowed, code, access_level, served_from, **rest)
        self._freshness = freshness
        self._version = version
        self._age_ms = age_ms
        self._valid_until = valid_until
        self._id = decision_id
        self._message = message

    @classmethod
    def of_message(cls, message: check_service_pb2.CheckResponse) -> Self:
        """Translate a response message."""
        state = message.freshness.state
        has_policy = state != decision_pb2.FRESHNESS_STATE_UNSPECIFIED
        return cls(
            **ruling_of_message(message)._asdict(),
            freshness=name_of(decision_pb2.FreshnessState, state, "FRESHNESS_STATE_"),
            version=f"{message.freshness.epoch}-{message.freshness.seq}" if has_policy else "",
            age_ms=message.freshness.age_ms if has_policy else None,
            valid_until=message.valid_until.ToDatetime(tzinfo=UTC) if message.HasField("valid_until") else None,
            decision_id=message.decision_id,
            message=message,
        )

    @property
    def _ruling(self) -> Ruling:
        return self._told

    @property
    def feature(self) -> str:
        """The feature asked about."""
        return self._ruling.feature

    @property
    def allowed(self) -> bool:
        """The verdict."""
        return self._ruling.allowed

    @property
    def code(self) -> str:
        """The one reason, such as ``ENTITLED`` or ``NOT_IN_PLAN``; one that this client does not know yet is ``CODE_<number>``."""
        return self._ruling.code

    @property
    def access_level(self) -> str:
        """``FULL``, ``GRACE``, ``READ_ONLY`` or ``NONE``."""
        return self._ruling.access_level

    @property
    def served_from(self) -> str:
        """``LIVE``, ``LAST_KNOWN_GOOD``, ``STATIC_FALLBACK``, ``CALLER_FALLBACK`` ..."""
        return self._ruling.served_from

    @property
    def value(self) -> Value | None:
        """Value of a config feature."""
        return self._ruling.value

    @property
    def source(self) -> str:
        """Who granted, such as ``PLAN``; empty when nobody did."""
        return self._ruling.source

    @property
    def freshness(self) -> str:
        """``FRESH``, ``STALE`` or ``TOO_STALE``; empty without a policy."""
        return self._freshness

    @property
    def version(self) -> str:
        """``epoch-seq`` of the policy that answered; empty without a policy."""
        return self._version

    @property
    def age_ms(self) -> int | None:
        """Age of the policy in milliseconds; None without a policy."""
        return self._age_ms

    @property
    def valid_until(self) -> datetime | None:
        """Until when the answer may be cached; None when nothing is scheduled."""
        return self._valid_until

    @property
    def obligations(self) -> tuple[str, ...]:
        """Such as ``WARN_TRIAL_ENDING``."""
        return self._ruling.obligations

    @property
    def remedy(self) -> str:
        """What would repair a deny, such as ``UPGRADE``; empty for none."""
        return self._ruling.remedy

    @property
    def remedy_plans(self) -> tuple[str, ...]:
        """Plans that include the feature."""
        return self._ruling.remedy_plans

    @property
    def contact(self) -> str:
        """Whom to ask."""
        return self._ruling.contact

    @property
    def retry_after_s(self) -> float | None:
        """Seconds after which another try may help."""
        return self._ruling.retry_after_s

    @property
    def decision_id(self) -> str:
        """Identifies this answer, in the logs of whoever decided it; empty for the client's own fallback."""
        return self._id

    @property
    def user_message(self) -> str:
        """One sentence for the end user, when explanation was asked for."""
        return self._ruling.user_message

    @property
    def engineer_message(self) -> str:
        """One sentence for the engineer, when explanation was asked for."""
        return self._ruling.engineer_message

    @property
    def underlying_code(self) -> str:
        """What the records would have said, or why they could not answer."""
        return self._ruling.underlying_code

    @property
    def error(self) -> str:
        """Why the client library answered by itself (``UNAVAILABLE``, ``DEADLINE_EXCEEDED`` ...); empty otherwise."""
        return self._ruling.error

    @property
    def message(self) -> check_service_pb2.CheckResponse | None:
        """The whole response, for what is not repeated here; None for the client's own fallback."""
        return self._message

    @property
    def is_fallback(self) -> bool:
        """Whether no policy record stands behind the answer."""
        return self._ruling.served_from in _FALLBACKS

    def __bool__(self) -> bool:
        """Return the verdict."""
        return self._ruling.allowed

    def _shown(self) -> dict[str, Any]:
        said = self._ruling._asdict()
        moment = {
            "freshness": self.freshness,
            "version": self.version,
            "age_ms": self.age_ms,
            "valid_until": self.valid_until,
            "decision_id": self.decision_id,
        }
        return {**said, **moment}

    def __eq__(self, other: object) -> bool:
        return self._shown() == other._shown() if isinstance(other, Answer) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.feature, self.allowed, self.code, self.version, self.decision_id))

    def __repr__(self) -> str:
        """Show every field on one line."""
        return f"Answer({', '.join(f'{name}={value!r}' for name, value in self._shown().items())})"


def own_answer(question: Question, error: str, default: Fallback) -> Answer:
    """Return the client's own answer (semantics F5): marked, without any version, for a sidecar that did not answer."""
    fallback = question.fallback or default
    return Answer(
        question.feature,
        fallback.allowed,
        "FALLBACK_ALLOW" if fallback.allowed else "FALLBACK_DENY",
        "FULL" if fallback.allowed else "NONE",
        "CALLER_FALLBACK",
        value=fallback.value,
        source="DEFAULT",
        remedy="" if fallback.allowed else "RETRY",
        retry_after_s=1.0,
        error=error,
    )
