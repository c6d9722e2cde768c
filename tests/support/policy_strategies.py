"""Random policy sets for property tests: small, dense in time, and full of what records may hold and documents would refuse.

Instants come from a narrow grid around NOW, so that windows start, end and meet often; names come from a handful, so that sources collide.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from entitlements.policy.ids import CustomerId, FeatureKey, Millis, PlanRef, ProductId
from entitlements.policy.model import (
    ALWAYS,
    SUSPENSION_CAUSES,
    UNLIMITED,
    AccessLevel,
    AllOf,
    AnyOf,
    Attribute,
    CombineRule,
    Comparison,
    Condition,
    Customer,
    ExplainLevel,
    Feature,
    FeatureKind,
    Instant,
    Not,
    Operator,
    Override,
    OverrideEffect,
    PlanEntitlement,
    PlanVersion,
    Promotion,
    Query,
    Span,
    Subscription,
    SubscriptionItem,
    SubscriptionState,
    Suspension,
    SuspensionScope,
    Value,
    ValueType,
    Window,
)
from tests.support.policy_set import PolicySet

NOW = Millis(1_795_000_000_000)
WEEK = 7 * 86_400_000
SUITE = ProductId("suite")
ACME = CustomerId("acme")
MAIN, NEEDED, FURTHER = FeatureKey("main"), FeatureKey("needed"), FeatureKey("further")

instants = st.builds(
    lambda step, far: Millis(NOW + step * 1_000 + far), st.integers(-4, 4), st.sampled_from((0, 0, 0, 1, -1, WEEK))
)
attribute_names = st.sampled_from(("request.a", "request.b", "customer.c", "subject.id", "request.time"))
attributes: st.SearchStrategy[Attribute] = st.one_of(
    st.sampled_from(("x", "y", "xy", "")),
    st.integers(-1, 2),
    st.booleans(),
    instants.map(Instant),
    st.sets(st.sampled_from(("x", "y", "z")), max_size=3).map(lambda texts: tuple(sorted(texts))),
)
VALUES: dict[ValueType, st.SearchStrategy[Value]] = {
    ValueType.BOOL: st.booleans(),
    ValueType.INT: st.one_of(st.integers(0, 9), st.just(UNLIMITED)),
    ValueType.STRING: st.sampled_from(("x", "y", "z")),
    ValueType.LIST: st.sets(st.sampled_from(("x", "y", "z")), max_size=3).map(lambda texts: tuple(sorted(texts))),
}
any_value: st.SearchStrategy[Value | None] = st.one_of(st.none(), *VALUES.values())
Values = st.SearchStrategy[Value | None]


def values_for(value_type: ValueType | None) -> Values:
    """Return values that mostly suit a feature of this type; a foreign one now and then."""
    fitting: Values = st.just(None) if value_type is None else st.one_of(st.none(), *[VALUES[value_type]] * 6)
    return st.one_of(*[fitting] * 9, any_value)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Return a window that is open, half-open or closed, and never empty."""
    ends = sorted(draw(st.sets(instants, min_size=2, max_size=2)))
    return draw(st.sampled_from((ALWAYS, Window(ends[0], None), Window(None, ends[1]), Window(ends[0], ends[1]))))


comparisons: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Comparison, attribute_names, st.just(Operator.EXISTS), st.none()),
    st.builds(
        Comparison, attribute_names, st.sampled_from([op for op in Operator if op is not Operator.EXISTS]), attributes
    ),
    st.builds(
        Comparison,
        st.just("request.time"),
        st.sampled_from((Operator.LT, Operator.LE, Operator.GT, Operator.GE, Operator.EQ, Operator.NE)),
        instants.map(Instant),
    ),
)


def _joined(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    lists = st.lists(parts, min_size=1, max_size=3).map(tuple)
    return st.one_of(st.builds(AllOf, lists), st.builds(AnyOf, lists), st.builds(Not, parts))


conditions: st.SearchStrategy[Condition] = st.recursive(comparisons, _joined, max_leaves=5)
guards = st.one_of(st.none(), st.none(), conditions)


@st.composite
def spans(draw: st.DrawFn) -> tuple[Span, ...]:
    """Return a timeline: sorted, without overlaps, sometimes with gaps."""
    cuts = sorted(draw(st.sets(instants, min_size=1, max_size=5)))
    states = st.sampled_from(SubscriptionState)
    levels = st.sampled_from(
        (AccessLevel.NONE, AccessLevel.READ_ONLY, AccessLevel.GRACE, AccessLevel.FULL, AccessLevel.FULL)
    )
    made = [
        Span(draw(states), draw(levels), Window(start, end))
        for start, end in zip(cuts, [*cuts[1:], None], strict=True)
        if draw(st.integers(0, 4))
    ]
    return tuple(made)


@st.composite
def features(
    draw: st.DrawFn, key: FeatureKey, requires: tuple[FeatureKey, ...], value_type: ValueType | None
) -> Feature:
    """Return a config feature of this type, or a switch."""
    kind = FeatureKind.SWITCH if value_type is None else FeatureKind.CONFIG
    return Feature(
        key=key,
        product=SUITE,
        kind=kind,
        core=draw(st.sampled_from((False, False, True))),
        value_type=value_type,
        combine=draw(st.one_of(st.none(), st.sampled_from(CombineRule))) if value_type else None,
        default_value=draw(st.one_of(st.none(), VALUES[value_type])) if value_type else None,
        available_when=draw(st.one_of(*[st.none()] * 7, conditions)),
        requires=requires,
        retired_at_ms=draw(st.one_of(*[st.none()] * 7, instants)),
        promotions=tuple(
            draw(promotions(key, "cohort", values_for(value_type))) for _ in range(draw(st.integers(0, 1)))
        ),
        sold_in_plans=("pro",),
    )


@st.composite
def promotions(draw: st.DrawFn, key: FeatureKey, name: str, values: Values) -> Promotion:
    """Return a promotion."""
    return Promotion(name, key, draw(values), draw(windows()), draw(guards))


@st.composite
def plans(draw: st.DrawFn, name: str, values: Values, *, addon: bool) -> PlanVersion:
    """Return a plan version that holds some of the features."""
    held = draw(st.sets(st.sampled_from((MAIN, NEEDED, FURTHER)), min_size=1))
    return PlanVersion(
        name, 1, SUITE, addon, {key: PlanEntitlement(key, draw(values), draw(guards)) for key in sorted(held)}
    )


@st.composite
def subscriptions(draw: st.DrawFn, name: str) -> Subscription:
    """Return a subscription; one of the references leads nowhere."""
    refs = st.sampled_from(("basic@1", "basic@1", "pro@1", "pro@1", "pack@1", "pack@1", "lost@1"))
    items = st.builds(
        lambda ref, quantity, window: SubscriptionItem(PlanRef(ref), quantity, window),
        refs,
        st.integers(1, 3),
        windows(),
    )
    return Subscription(name, tuple(draw(st.lists(items, min_size=1, max_size=3))), draw(spans()))


@st.composite
def customers(draw: st.DrawFn, values: Values) -> Customer:
    """Return a customer with a bit of everything."""
    keys = st.sampled_from((MAIN, NEEDED))
    restricted = st.builds(
        lambda scope, access, cause, feature, subscription, window: (
            scope,
            access,
            cause,
            {SuspensionScope.FEATURE: feature, SuspensionScope.SUBSCRIPTION: subscription}.get(scope, ""),
            window,
        ),
        st.sampled_from(SuspensionScope),
        st.sampled_from((AccessLevel.NONE, AccessLevel.READ_ONLY, AccessLevel.GRACE)),
        st.sampled_from(SUSPENSION_CAUSES),
        keys,
        st.sampled_from(("s0", "s1")),
        windows(),
    )
    effects = st.sampled_from((OverrideEffect.ALLOW, OverrideEffect.ALLOW, OverrideEffect.DENY))
    return Customer(
        id=ACME,
        archived=draw(st.integers(0, 30)) == 30,
        attributes=draw(st.dictionaries(st.sampled_from(("c", "d")), attributes, max_size=2)),
        subscriptions=tuple(
            draw(subscriptions(f"s{index}")) for index in range(draw(st.sampled_from((0, 1, 1, 2, 2, 3))))
        ),
        overrides=tuple(
            Override(f"o{index}", draw(keys), draw(effects), draw(values), draw(windows()))
            for index in range(draw(st.sampled_from((0, 0, 1, 2))))
        ),
        suspensions=tuple(
            Suspension(f"x{index}", scope, access, cause, target, window)
            for index, (scope, access, cause, target, window) in enumerate(
                draw(st.one_of(st.just([]), st.lists(restricted, max_size=2)))
            )
        ),
        promotions=tuple(
            draw(promotions(MAIN, f"p{index}", values)) for index in range(draw(st.sampled_from((0, 0, 1, 2))))
        ),
    )


@dataclass(frozen=True)
class World:
    """A policy set and a question about it."""

    features: tuple[Feature, ...]
    plans: tuple[PlanVersion, ...]
    customer: Customer
    query: Query

    def records(self, customer: Customer | None = None) -> PolicySet:
        """Return the policy set, with another customer if given."""
        return PolicySet.of((*self.features, *self.plans, customer or self.customer))

    @property
    def main(self) -> Feature:
        """The feature asked about."""
        return self.features[0]


@st.composite
def worlds(draw: st.DrawFn, *, wanting: bool = True) -> World:
    """Return a world whose main feature may require others, which may require it back."""
    requires = st.lists(st.sampled_from((NEEDED, FURTHER, FeatureKey("nowhere"))), max_size=2, unique=True).map(tuple)
    value_type = draw(st.one_of(st.none(), st.sampled_from(ValueType), st.just(ValueType.INT)))
    values = values_for(value_type)
    main = draw(features(MAIN, draw(st.one_of(st.just(()), st.just(()), requires)), value_type))
    needed = draw(features(NEEDED, draw(st.sampled_from(((), (), (MAIN,), (FURTHER,)))), value_type))
    further = draw(features(FURTHER, (), None))
    names = st.sampled_from(("request.a", "request.b", "customer.c", "customer.e"))
    query = Query(
        ACME,
        MAIN,
        SUITE,
        subject_id=draw(st.sampled_from(("", "x"))),
        requested_value=draw(values) if wanting and draw(st.booleans()) else None,
        attributes=draw(st.dictionaries(names, attributes, max_size=3)),
        explain=draw(st.sampled_from(ExplainLevel)),
    )
    shelf = tuple(draw(plans(name, values, addon=name == "pack")) for name in ("basic", "pro", "pack"))
    return World((main, needed, further), shelf, draw(customers(values)), query)
