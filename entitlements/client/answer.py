"""The answer as an application reads it: plain Python values, no protobuf."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.timestamp_pb2 import Timestamp

from entitlements.client.question import Fallback, Question
from entitlements.policy.model import UNLIMITED, Value
from entitlements.v1 import check_service_pb2, decision_pb2


@dataclass(frozen=True, slots=True)
class Answer:
    """One decision. ``bool(answer)`` is the verdict.

    Attributes:
        feature: The feature asked about.
        allowed: The verdict.
        code: The one reason, such as ``ENTITLED`` or ``NOT_IN_PLAN``; a code that this client does not know yet is
            ``CODE_<number>``, and the verdict stands.
        access_level: ``FULL``, ``GRACE``, ``READ_ONLY`` or ``NONE``.
        value: Value of a config feature.
        source: Who granted, such as ``PLAN``; empty when nobody did.
        served_from: ``LIVE``, ``LAST_KNOWN_GOOD``, ``STATIC_FALLBACK``, ``CALLER_FALLBACK`` ...
        freshness: ``FRESH``, ``STALE`` or ``TOO_STALE``; empty without a policy.
        version: ``epoch-seq`` of the policy that answered; empty without a policy.
        age_ms: Age of the policy in milliseconds; None without a policy.
        valid_until: Until when the answer may be cached; None when nothing is scheduled.
        obligations: Such as ``WARN_TRIAL_ENDING``.
        remedy: What would repair a deny, such as ``UPGRADE``; empty for none.
        remedy_plans: Plans that include the feature.
        contact: Whom to ask.
        retry_after_s: Seconds after which another try may help.
        decision_id: Identifies this answer in the sidecar's logs; empty for the client's own fallback.
        user_message: One sentence for the end user, when explanation was asked for.
        engineer_message: One sentence for the engineer, when explanation was asked for.
        underlying_code: What the records would have said, or why they could not answer.
        error: Why the client library answered by itself (``UNAVAILABLE``, ``DEADLINE_EXCEEDED`` ...); empty otherwise.
        message: The whole response, for what is not repeated here; None for the client's own fallback.
    """

    feature: str
    allowed: bool
    code: str
    access_level: str
    served_from: str
    value: Value | None = None
    source: str = ""
    freshness: str = ""
    version: str = ""
    age_ms: int | None = None
    valid_until: datetime | None = None
    obligations: tuple[str, ...] = ()
    remedy: str = ""
    remedy_plans: tuple[str, ...] = ()
    contact: str = ""
    retry_after_s: float | None = None
    decision_id: str = ""
    user_message: str = ""
    engineer_message: str = ""
    underlying_code: str = ""
    error: str = ""
    message: check_service_pb2.CheckResponse | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        """Return the verdict."""
        return self.allowed

    @property
    def is_fallback(self) -> bool:
        """Return whether no policy record stands behind the answer."""
        return self.served_from in {"STATIC_FALLBACK", "CALLER_FALLBACK"}


def answer_of(message: check_service_pb2.CheckResponse) -> Answer:
    """Translate a response message."""
    has_policy = message.freshness.state != decision_pb2.FRESHNESS_STATE_UNSPECIFIED
    return Answer(
        feature=message.feature,
        allowed=message.allowed,
        code=_name(decision_pb2.Code, message.code, "CODE_"),
        access_level=_name(decision_pb2.AccessLevel, message.access_level, "ACCESS_LEVEL_"),
        served_from=_name(decision_pb2.ServedFrom, message.served_from, "SERVED_FROM_"),
        value=value_of(message.value),
        source=_name(decision_pb2.Source, message.source, "SOURCE_"),
        freshness=_name(decision_pb2.FreshnessState, message.freshness.state, "FRESHNESS_STATE_"),
        version=f"{message.freshness.epoch}-{message.freshness.seq}" if has_policy else "",
        age_ms=message.freshness.age_ms if has_policy else None,
        valid_until=_datetime(message.valid_until) if message.HasField("valid_until") else None,
        obligations=tuple(_name(decision_pb2.Obligation, each, "OBLIGATION_") for each in message.obligations),
        remedy=_name(decision_pb2.RemedyAction, message.remedy.action, "REMEDY_ACTION_"),
        remedy_plans=tuple(message.remedy.plan_ids),
        contact=message.remedy.contact,
        retry_after_s=message.retry_after.ToNanoseconds() / 1e9 if message.HasField("retry_after") else None,
        decision_id=message.decision_id,
        user_message=message.explain.user_message,
        engineer_message=message.explain.engineer_message,
        underlying_code=_name(decision_pb2.Code, message.underlying_code, "CODE_"),
        message=message,
    )


def own_answer(question: Question, error: str, default: Fallback) -> Answer:
    """Return the client's own answer (semantics F5): marked, without any version, for a sidecar that did not answer."""
    fallback = question.fallback or default
    return Answer(
        feature=question.feature,
        allowed=fallback.allowed,
        code="FALLBACK_ALLOW" if fallback.allowed else "FALLBACK_DENY",
        access_level="FULL" if fallback.allowed else "NONE",
        served_from="CALLER_FALLBACK",
        value=fallback.value,
        source="DEFAULT",
        remedy="" if fallback.allowed else "RETRY",
        retry_after_s=1.0,
        error=error,
    )


def value_of(message: decision_pb2.Value) -> Value | None:
    """Translate a value message; an unset one is None."""
    match message.WhichOneof("kind"):
        case "bool_value":
            return message.bool_value
        case "int_value":
            return message.int_value
        case "string_value":
            return message.string_value
        case "list_value":
            return tuple(message.list_value.values)
        case "unlimited":
            return UNLIMITED
        case _:
            return None


def _name(enum: EnumTypeWrapper, number: int, prefix: str) -> str:
    """Return an enum's short name; zero is empty, an unknown number keeps its prefix."""
    if number == 0:
        return ""
    try:
        return enum.Name(number).removeprefix(prefix)
    except ValueError:
        return f"{prefix}{number}"


def _datetime(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
