"""Names of Redis keys: exact for plain feeds, safe for odd ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements.policy.ids import id_problem
from entitlements.wire import names

FEEDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
    lambda t: id_problem(t) is None
)


def test_names_of_a_plain_feed() -> None:
    """The names are part of the protocol; access control lists are written against them."""
    assert names.log_key("shop") == "ent:{f:shop}:log"
    assert names.head_key("shop") == "ent:{f:shop}:head"
    assert names.snapshot_manifest_key("shop", 7, 9) == "ent:{f:shop}:snap:7-9:m"
    assert names.snapshot_chunk_key("shop", 7, 9, 0) == "ent:{f:shop}:snap:7-9:0"
    assert names.key_set_key("shop") == "ent:{f:shop}:keys"
    assert names.channel("shop") == "ent:{f:shop}:ch"


@given(FEEDS)
def test_any_feed_stays_inside_its_hash_tag(feed: str) -> None:
    """The tag is the first braced part and holds nothing that Redis or its access lists interpret."""
    name = names.log_key(feed)
    tag = name[name.index("{") + 1 : name.index("}")]
    assert name == f"ent:{{{tag}}}:log"
    assert not set(tag.removeprefix("f:")) & set("{}*?[]\\^: \n")


@given(FEEDS, FEEDS)
def test_different_feeds_have_different_names(one: str, other: str) -> None:
    """Escaping does not make two feeds one."""
    assert (names.log_key(one) == names.log_key(other)) == (one == other)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_positions_survive_as_text(epoch: int, seq: int) -> None:
    """A stream id is a version token and comes back as the same position."""
    assert names.position_of(names.stream_id(epoch, seq)) == (epoch, seq)


@pytest.mark.parametrize(
    "text", ["", "5", "-", "5-", "-5", "5-6-7", " 5-6", "5-+6", "\u0665-6", f"{2**64}-0", "1" * 5000 + "-0"]
)
def test_what_is_no_position_is_refused(text: str) -> None:
    """Only two decimal numbers of at most 64 bits count."""
    with pytest.raises(ValueError, match=r"EPOCH-SEQ|64 bits"):
        names.position_of(text)
