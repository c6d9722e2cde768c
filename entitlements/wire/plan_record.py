"""Plan and add-on version records (``p/PLAN@VERSION``) to and from protobuf."""

from __future__ import annotations

from entitlements.policy.ids import FeatureKey, ProductId
from entitlements.policy.model import PlanEntitlement, PlanVersion
from entitlements.v1 import policy_pb2
from entitlements.wire.condition_tree import condition_into, condition_of
from entitlements.wire.literals import Misshapen, checked_id, value_into, value_of


def plan_message(plan: PlanVersion) -> policy_pb2.PlanVersionRecord:
    """Return the protobuf form of a plan version, its entitlements sorted by feature."""
    message = policy_pb2.PlanVersionRecord(plan=plan.plan, version=plan.version, product=plan.product, addon=plan.addon)
    for feature, entitlement in sorted(plan.entitlements.items()):
        if entitlement.feature != feature:
            raise Misshapen("entitlements", f"lists {entitlement.feature} under {feature}")
        part = message.entitlements.add(feature=feature)
        if entitlement.value is not None:
            value_into(part.value, entitlement.value)
        if entitlement.condition is not None:
            condition_into(part.condition, entitlement.condition)
    return message


def plan_of(message: policy_pb2.PlanVersionRecord) -> PlanVersion:
    """Return the plan version or raise Misshapen."""
    plan = checked_id(message.plan, "plan")
    if message.version < 1:
        raise Misshapen("version", "must be at least 1")
    entitlements: dict[FeatureKey, PlanEntitlement] = {}
    previous = ""
    for index, part in enumerate(message.entitlements):
        field = f"entitlements[{index}]"
        feature = FeatureKey(checked_id(part.feature, f"{field}.feature"))
        if feature <= previous:
            raise Misshapen(f"{field}.feature", "is out of order or listed twice")
        previous = feature
        entitlements[feature] = PlanEntitlement(
            feature,
            value_of(part.value, f"{field}.value") if part.HasField("value") else None,
            condition_of(part.condition, f"{field}.condition") if part.HasField("condition") else None,
        )
    return PlanVersion(
        plan=plan,
        version=message.version,
        product=ProductId(checked_id(message.product, "product")),
        addon=message.addon,
        entitlements=entitlements,
    )
