"""The ruling: the part of an answer that follows from the question and the records alone, and stays until they change."""

from __future__ import annotations

from typing import Final, NamedTuple

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from entitlements.local.sitting import Outcome
from entitlements.policy.freshness import ServedFrom
from entitlements.policy.model import UNLIMITED, AccessLevel, Obligation, Source, Value
from entitlements.policy.reasons import Code, RemedyAction
from entitlements.v1 import check_service_pb2, decision_pb2


class Ruling(NamedTuple):
    """Fields as in Answer."""

    feature: str
    allowed: bool
    code: str
    access_level: str
    served_from: str
    value: Value | None = None
    source: str = ""
    obligations: tuple[str, ...] = ()
    remedy: str = ""
    remedy_plans: tuple[str, ...] = ()
    contact: str = ""
    retry_after_s: float | None = None
    user_message: str = ""
    engineer_message: str = ""
    underlying_code: str = ""
    error: str = ""


def _names(*members: Code | AccessLevel | Source | ServedFrom | Obligation | RemedyAction) -> tuple[str, ...]:
    """Return names by number; zero is empty, as it is in a message. Indexing costs a fifth of asking a member for its name."""
    by_number = {int(member): member.name for member in members if int(member)}
    return tuple(by_number.get(number, "") for number in range(max(by_number) + 1))


_CODES: Final = _names(*Code)
_LEVELS: Final = _names(*AccessLevel)
_SOURCES: Final = _names(*Source)
_TIERS: Final = _names(*ServedFrom)
_OBLIGATIONS: Final = _names(*Obligation)
_ACTIONS: Final = _names(*RemedyAction)


class Said:
    """What was decided in this process, about the instant `as_of_ms` unless the present; its ruling is made when it is first wanted."""

    __slots__ = ("_ruling", "as_of_ms", "outcome")

    def __init__(self, outcome: Outcome, as_of_ms: int | None) -> None:
        self.outcome = outcome
        self.as_of_ms = as_of_ms
        self._ruling: Ruling | None = None

    @property
    def code(self) -> str:
        """The code's name."""
        return _CODES[self.outcome.decision.code]

    @property
    def ruling(self) -> Ruling:
        """The decision as an application reads it; the same for every answer that shares it."""
        ruling = self._ruling
        if ruling is None:
            ruling = self._ruling = ruling_of_outcome(self.outcome)
        return ruling


def ruling_of_outcome(outcome: Outcome) -> Ruling:
    """Translate a decision of this process; the same as translating its message, field by field."""
    decision, served_from = outcome.decision, outcome.served_from
    remedy, retry_after_ms, underlying = decision.remedy, decision.retry_after_ms, decision.underlying_code
    explanation, obligations = decision.explanation, decision.obligations
    return Ruling(
        decision.feature,
        decision.allowed,
        _CODES[decision.code],
        _LEVELS[decision.access_level],
        _TIERS[served_from],
        decision.value,
        _SOURCES[decision.source],
        tuple([_OBLIGATIONS[each] for each in obligations]) if obligations else (),
        "" if remedy is None else _ACTIONS[remedy.action],
        () if remedy is None else remedy.plan_ids,
        "" if remedy is None else remedy.contact,
        None if retry_after_ms is None else retry_after_ms / 1000,
        "" if explanation is None else explanation.user_message,
        "" if explanation is None else explanation.engineer_message,
        "" if underlying is None else _CODES[underlying],
    )


def ruling_of_message(message: check_service_pb2.CheckResponse) -> Ruling:
    """Translate a response message."""
    return Ruling(
        feature=message.feature,
        allowed=message.allowed,
        code=name_of(decision_pb2.Code, message.code, "CODE_"),
        access_level=name_of(decision_pb2.AccessLevel, message.access_level, "ACCESS_LEVEL_"),
        served_from=name_of(decision_pb2.ServedFrom, message.served_from, "SERVED_FROM_"),
        value=value_of(message.value),
        source=name_of(decision_pb2.Source, message.source, "SOURCE_"),
        obligations=tuple(name_of(decision_pb2.Obligation, each, "OBLIGATION_") for each in message.obligations),
        remedy=name_of(decision_pb2.RemedyAction, message.remedy.action, "REMEDY_ACTION_"),
        remedy_plans=tuple(message.remedy.plan_ids),
        contact=message.remedy.contact,
        retry_after_s=message.retry_after.ToNanoseconds() / 1e9 if message.HasField("retry_after") else None,
        user_message=message.explain.user_message,
        engineer_message=message.explain.engineer_message,
        underlying_code=name_of(decision_pb2.Code, message.underlying_code, "CODE_"),
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


def name_of(enum: EnumTypeWrapper, number: int, prefix: str) -> str:
    """Return an enum's short name; zero is empty, an unknown number keeps its prefix."""
    if number == 0:
        return ""
    try:
        return enum.Name(number).removeprefix(prefix)
    except ValueError:
        return f"{prefix}{number}"
