"""Requests: what a valid one means, and a named error for everything else."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from entitlements.policy.freshness import CallerFallback
from entitlements.policy.ids import ProductId
from entitlements.policy.model import UNLIMITED, ExplainLevel, Instant, Query
from entitlements.v1 import check_service_pb2 as pb
from entitlements.v1 import decision_pb2
from entitlements.wire import batch_items, requests
from entitlements.wire.errors import FieldError, FieldReason
from entitlements.wire.varint import field

NOW = 1_800_000_000_000
DAY = 86_400_000
SUITE = ProductId("suite")
TEXT = pb.AttributeValue(string_value="eu")


def check(**fields: Any) -> requests.CheckCall:
    """Decode a Check with these fields besides the two required ones."""
    message = pb.CheckRequest(**({"customer_id": "acme", "feature": "exports"} | fields))
    return requests.decode_check(message.SerializeToString(), SUITE, NOW, {"suite", "crm"})


def error_of(**fields: Any) -> FieldError:
    """Return the error of a Check with these fields."""
    with pytest.raises(FieldError) as caught:
        check(**fields)
    return caught.value


def instant(ms: int) -> Timestamp:
    """Return a timestamp."""
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def test_the_shortest_question() -> None:
    """Two fields are enough; the product comes from the sidecar."""
    assert check() == (Query("acme", "exports", SUITE), None, None, None)  # type: ignore[arg-type]


def test_the_longest_question() -> None:
    """Every field arrives."""
    call = check(
        product="crm",
        subject_id="ann",
        resource_id="site 1",
        quantity=1,
        requested_value=decision_pb2.Value(list_value=decision_pb2.StringList(values=["b", "a", "b"])),
        attributes={
            "region": TEXT,
            "subject.tier": pb.AttributeValue(int_value=-3),
            "resource.open": pb.AttributeValue(bool_value=False),
            "request.since": pb.AttributeValue(timestamp_value=Timestamp(seconds=5, nanos=7_999_999)),
            "tags": pb.AttributeValue(list_value=decision_pb2.StringList(values=["y", "x", "y"])),
        },
        min_version="1750000000-42",
        as_of=instant(NOW - 5),
        explain=pb.EXPLAIN_LEVEL_FULL,
        fallback=pb.Fallback(allowed=True, value=decision_pb2.Value(unlimited=True)),
    )
    assert call.query == Query(
        "acme",  # type: ignore[arg-type]
        "exports",  # type: ignore[arg-type]
        ProductId("crm"),
        "ann",
        "site 1",
        ("a", "b"),
        {
            "request.region": "eu",
            "subject.tier": -3,
            "resource.open": False,
            "request.since": Instant(5007),
            "request.tags": ("x", "y"),
        },
        ExplainLevel.FULL,
    )
    assert call[1:] == (NOW - 5, (1750000000, 42), CallerFallback(True, UNLIMITED))


@pytest.mark.parametrize("garbage", [b"\xff", b"\x0a\x05abc", b"\x0a\x02\xff\xfe", b"\x0a" * 100])
def test_garbage_is_malformed(garbage: bytes) -> None:
    """Bytes that are no message, a cut message and text that is not UTF-8 are the caller's bug."""
    with pytest.raises(FieldError) as caught:
        requests.decode_check(garbage, SUITE, NOW)
    assert caught.value.reason is FieldReason.MALFORMED


@pytest.mark.parametrize("field", ["customer_id", "feature"])
def test_required_ids(field: str) -> None:
    """Who and what are required."""
    error = error_of(**{field: ""})
    assert (error.field, error.reason) == (field, FieldReason.FIELD_REQUIRED)


@pytest.mark.parametrize("field", ["customer_id", "feature", "product", "subject_id", "resource_id"])
@pytest.mark.parametrize(
    "value, reason",
    [
        ("a" * 129, FieldReason.FIELD_TOO_LONG),
        ("ü" * 65, FieldReason.FIELD_TOO_LONG),
        (" a", FieldReason.FIELD_INVALID),
        ("a\n", FieldReason.FIELD_INVALID),
        ("a\u0085b", FieldReason.FIELD_INVALID),
        ("a\u00a0", FieldReason.FIELD_INVALID),
    ],
)
def test_ids_follow_one_rule(field: str, value: str, reason: FieldReason) -> None:
    """Every id is 1-128 bytes without control characters or outer white space (A1)."""
    error = error_of(**{field: value})
    assert (error.field, error.reason) == (field, reason)
    assert "1-128 bytes" in error.remedy


@pytest.mark.parametrize("value", ["a" * 128, "ü" * 64, "a b", "🐈", "a/../b", "{x}"])
def test_odd_ids_are_ids(value: str) -> None:
    """Ids are opaque."""
    assert check(customer_id=value).query.customer_id == value


def test_products_that_are_not_served_are_named() -> None:
    """The caller learns what this sidecar serves (A2)."""
    error = error_of(product="other")
    assert (error.field, error.reason) == ("product", FieldReason.PRODUCT_NOT_SERVED)
    assert "crm, suite" in error.remedy
    anything = pb.CheckRequest(customer_id="a", feature="b", product="other").SerializeToString()
    assert requests.decode_check(anything, SUITE, NOW).query.product == "other"


@pytest.mark.parametrize(
    "fields, field, reason",
    [
        ({"quantity": -1}, "quantity", FieldReason.FIELD_INVALID),
        ({"quantity": 2}, "quantity", FieldReason.UNSUPPORTED),
        ({"explain": 9}, "explain", FieldReason.FIELD_INVALID),
        ({"min_version": "yesterday"}, "min_version", FieldReason.FIELD_INVALID),
        ({"min_version": f"1-{2**64}"}, "min_version", FieldReason.FIELD_INVALID),
        ({"as_of": instant(NOW + 400 * DAY + 1)}, "as_of", FieldReason.FIELD_INVALID),
        ({"as_of": instant(NOW - 400 * DAY - 1)}, "as_of", FieldReason.FIELD_INVALID),
        ({"as_of": Timestamp(seconds=2**62)}, "as_of", FieldReason.FIELD_INVALID),
        ({"as_of": Timestamp(seconds=NOW // 1000, nanos=-1)}, "as_of", FieldReason.FIELD_INVALID),
        ({"requested_value": decision_pb2.Value()}, "requested_value", FieldReason.FIELD_INVALID),
        ({"requested_value": decision_pb2.Value(unlimited=False)}, "requested_value", FieldReason.FIELD_INVALID),
        (
            {"requested_value": decision_pb2.Value(string_value="ü" * 513)},
            "requested_value",
            FieldReason.FIELD_TOO_LONG,
        ),
        (
            {"requested_value": decision_pb2.Value(list_value=decision_pb2.StringList(values=["x"] * 65))},
            "requested_value",
            FieldReason.TOO_MANY_ITEMS,
        ),
        ({"fallback": pb.Fallback(value=decision_pb2.Value())}, "fallback.value", FieldReason.FIELD_INVALID),
        ({"attributes": {str(n): TEXT for n in range(33)}}, "attributes", FieldReason.TOO_MANY_ITEMS),
        ({"attributes": {"": TEXT}}, "attributes[]", FieldReason.FIELD_REQUIRED),
        ({"attributes": {"a\tb": TEXT}}, "attributes[a\tb]", FieldReason.FIELD_INVALID),
        ({"attributes": {"customer.region": TEXT}}, "attributes[customer.region]", FieldReason.FIELD_INVALID),
        ({"attributes": {"other.region": TEXT}}, "attributes[other.region]", FieldReason.FIELD_INVALID),
        ({"attributes": {"request.": TEXT}}, "attributes[request.]", FieldReason.FIELD_INVALID),
        ({"attributes": {"time": TEXT}}, "attributes[time]", FieldReason.FIELD_INVALID),
        ({"attributes": {"request.product": TEXT}}, "attributes[request.product]", FieldReason.FIELD_INVALID),
        ({"attributes": {"subject.id": TEXT}}, "attributes[subject.id]", FieldReason.FIELD_INVALID),
        ({"attributes": {"resource.id": TEXT}}, "attributes[resource.id]", FieldReason.FIELD_INVALID),
        ({"attributes": {"a": pb.AttributeValue()}}, "attributes[a]", FieldReason.FIELD_INVALID),
        ({"attributes": {"a": pb.AttributeValue(string_value="x" * 257)}}, "attributes[a]", FieldReason.FIELD_TOO_LONG),
        (
            {"attributes": {"a": pb.AttributeValue(timestamp_value=Timestamp(nanos=10**9))}},
            "attributes[a]",
            FieldReason.FIELD_INVALID,
        ),
        (
            {"attributes": {"a": pb.AttributeValue(list_value=decision_pb2.StringList(values=["x"] * 65))}},
            "attributes[a]",
            FieldReason.TOO_MANY_ITEMS,
        ),
    ],
)
def test_every_bad_field_is_named(fields: dict[str, Any], field: str, reason: FieldReason) -> None:
    """The error names the field, the problem and the remedy."""
    error = error_of(**fields)
    assert (error.field, error.reason) == (field, reason)
    assert error.problem
    assert error.remedy


def test_one_attribute_has_one_name() -> None:
    """A short and a full name for the same attribute contradict each other."""
    error = error_of(attributes={"region": TEXT, "request.region": TEXT})
    assert error.reason is FieldReason.FIELD_INVALID
    assert "second time" in error.problem


def test_limits_are_inclusive() -> None:
    """The largest and farthest values that the rules name are accepted."""
    call = check(
        as_of=instant(NOW + 400 * DAY),
        attributes={f"a{number}": pb.AttributeValue(string_value="x" * 256) for number in range(32)},
        requested_value=decision_pb2.Value(string_value="x" * 1024),
    )
    assert len(call.query.attributes) == 32


def test_a_check_has_a_size() -> None:
    """64 KiB are the limit of one Check."""
    raw = pb.CheckRequest(customer_id="a" * 70_000).SerializeToString()
    with pytest.raises(FieldError) as caught:
        requests.decode_check(raw, SUITE, NOW)
    assert caught.value.reason is FieldReason.MESSAGE_TOO_LARGE


def batch(*items: pb.CheckRequest) -> list[requests.CheckCall | FieldError]:
    """Decode a batch."""
    return decode_batch(pb.BatchCheckRequest(items=items).SerializeToString())


def decode_batch(raw: bytes) -> list[requests.CheckCall | FieldError]:
    """Decode the bytes of a batch."""
    return [batch_items.decode_item(item, index, SUITE, NOW) for index, item in enumerate(batch_items.split_batch(raw))]


def test_a_bad_item_fails_alone() -> None:
    """Order is kept, duplicates are allowed, a bad item has its own error with its place (G1)."""
    good = pb.CheckRequest(customer_id="acme", feature="exports")
    large = pb.CheckRequest(customer_id="acme", feature="exports", subject_id="x" * 70_000)
    first, second, third, fourth = batch(good, pb.CheckRequest(customer_id="acme"), good, large)
    assert isinstance(first, requests.CheckCall)
    assert third == first
    assert isinstance(second, FieldError)
    assert (second.field, second.reason) == ("items[1].feature", FieldReason.FIELD_REQUIRED)
    assert isinstance(fourth, FieldError)
    assert (fourth.field, fourth.reason) == ("items[3]", FieldReason.MESSAGE_TOO_LARGE)


def test_batches_have_limits() -> None:
    """1 to 500 items, 1 MiB."""
    item = pb.CheckRequest(customer_id="acme", feature="exports")
    assert len(batch(*[item] * 500)) == 500
    with pytest.raises(FieldError) as caught:
        batch(*[item] * 10_000)
    assert (caught.value.field, caught.value.reason) == ("items", FieldReason.TOO_MANY_ITEMS)
    assert "10000" in caught.value.problem
    with pytest.raises(FieldError) as caught:
        batch()
    assert caught.value.reason is FieldReason.FIELD_REQUIRED
    with pytest.raises(FieldError) as caught:
        decode_batch(bytes(1024 * 1024 + 1))
    assert caught.value.reason is FieldReason.MESSAGE_TOO_LARGE


def listing(**fields: Any) -> requests.ListCall:
    """Decode a ListEntitlements for one customer."""
    message = pb.ListEntitlementsRequest(**({"customer_id": "acme"} | fields))
    return requests.decode_list(message.SerializeToString(), SUITE, NOW, {"suite", "crm"})


def test_lists_make_questions() -> None:
    """A list is a question for each feature, with the same attributes."""
    call = listing(
        attributes={"region": TEXT}, subject_id="ann", allowed_only=True, feature_prefix="ex", min_version="5-6"
    )
    assert (call.page_size, call.after, call.allowed_only, call.min_version) == (100, "", True, (5, 6))
    expected = check(attributes={"region": TEXT}, subject_id="ann").query
    assert call.query("exports") == expected


def test_pages_follow_each_other() -> None:
    """A token leads on, for the same question only."""
    token = listing(feature_prefix="ex").token_after("exports ü")
    assert listing(feature_prefix="ex", page_token=token, page_size=500).after == "exports ü"
    for other in ({}, {"customer_id": "globex"}, {"product": "crm"}, {"allowed_only": True}):
        fields = {"feature_prefix": "ex"} | other if other else {}
        with pytest.raises(FieldError) as caught:
            listing(page_token=token, **fields)
        assert (caught.value.field, caught.value.problem) == ("page_token", "belongs to another question")


@pytest.mark.parametrize("token", ["x", "====", "AQ", "é", "a" * 1000, "AAAAAAAAAAAAAAAA"])
def test_what_is_no_token_is_refused(token: str) -> None:
    """Tokens are not guessed at."""
    with pytest.raises(FieldError) as caught:
        listing(page_token=token)
    assert caught.value.field == "page_token"


@pytest.mark.parametrize(
    "fields, field",
    [
        ({"page_size": -1}, "page_size"),
        ({"page_size": 501}, "page_size"),
        ({"feature_prefix": "x" * 129}, "feature_prefix"),
        ({"customer_id": ""}, "customer_id"),
        ({"product": "other"}, "product"),
        ({"attributes": {"customer.x": TEXT}}, "attributes[customer.x]"),
    ],
)
def test_bad_fields_of_lists_are_named(fields: dict[str, Any], field: str) -> None:
    """Lists follow the same rules."""
    with pytest.raises(FieldError) as caught:
        listing(**fields)
    assert caught.value.field == field


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    """Arbitrary bytes decode or are a FieldError, for all three methods."""
    for decode in (
        lambda: requests.decode_check(raw, SUITE, NOW),
        lambda: decode_batch(raw),
        lambda: requests.decode_list(raw, SUITE, NOW),
    ):
        try:
            decode()
        except FieldError as error:
            assert error.reason in FieldReason  # noqa: PT017 - both outcomes are judged


def outcome(question: bytes | pb.CheckRequest) -> tuple[str, ...] | requests.CheckCall:
    """Return what decoding gives, an error as its parts."""
    try:
        return requests.decode_check(question, SUITE, NOW, {"suite", "crm"})
    except FieldError as error:
        return error.field, error.problem, error.remedy, error.reason


ODD_IDS = st.one_of(
    st.sampled_from(["", "a", " a", "a ", "acme", "x" * 127, "x" * 128, "x" * 129, "é", "a\nb", "a\x7f"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)


@given(
    ODD_IDS,
    ODD_IDS,
    st.sampled_from(["", "", "suite", "crm", "other", " "]),
    st.sampled_from(["", "", "ann"]),
    st.data(),
)
def test_plain_questions_are_read_as_the_protobuf_runtime_reads_them(
    customer: str, feature: str, product: str, subject: str, data: st.DataObject
) -> None:
    """The short way round a message object gives what the long way gives, also for bytes that were tampered with."""
    sent = pb.CheckRequest(customer_id=customer, feature=feature, product=product, subject_id=subject)
    raw = sent.SerializeToString()
    assert outcome(raw) == outcome(sent)
    if raw:
        place, byte = (
            data.draw(st.integers(0, len(raw) - 1)),
            data.draw(st.sampled_from([*range(40), 0x7F, 0x80, 0xFF])),
        )
        raw = raw[:place] + bytes([byte]) + raw[place + data.draw(st.integers(0, 1)) :]
    try:
        message = pb.CheckRequest.FromString(raw)
    except DecodeError:
        assert outcome(raw)[-1] is FieldReason.MALFORMED
    else:
        assert outcome(raw) == outcome(message)


@given(
    st.lists(
        st.sampled_from([b"", b"x" * 127, b"x" * 128, b"\x0a\x01c\x12\x01f", b"x" * 16_384, b"\x0a\x04acme"]),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([b"", b"", b"\x0a", b"\x0a\x80", b"\x0a\xff\xff\xff\x01", b"\x10\x01", b"\x0a\x05abc"]),
)
def test_a_batch_is_taken_apart_as_it_was_put_together(items: list[bytes], rest: bytes) -> None:
    """Lengths of one to three bytes; what is cut off is refused, an unknown field is skipped."""
    raw = b"".join(field(b"\x0a", item) for item in items)
    assert batch_items.split_batch(raw) == items
    if rest == b"\x10\x01":
        questions = [pb.CheckRequest(customer_id=f"c{number}", feature="f") for number in range(len(items))]
        sent = pb.BatchCheckRequest(items=questions).SerializeToString() + rest
        assert batch_items.split_batch(sent) == [question.SerializeToString() for question in questions]
    elif rest:
        with pytest.raises(FieldError) as caught:
            batch_items.split_batch(raw + rest)
        assert caught.value.reason is FieldReason.MALFORMED
