"""Names and packed values."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements.policy.digest import record_checksum
from entitlements.policy.ids import Epoch, Millis, Seq, id_problem
from entitlements.store import layout
from entitlements.store.errors import CorruptStore

PRODUCTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128).filter(
    lambda t: id_problem(t) is None
)
UINT64 = st.integers(0, 2**64 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1).map(Millis)
STATES = st.builds(
    layout.StoreState,
    UINT64.map(Epoch),
    UINT64.map(Seq),
    st.binary(min_size=32, max_size=32),
    st.booleans(),
    st.booleans(),
    INT64,
    INT64,
    INT64,
    st.text(max_size=60),
)


@given(STATES)
def test_states_survive(state: layout.StoreState) -> None:
    """The packed form holds everything."""
    assert layout.unpack_state(state.pack()) == state


@given(STATES, st.data())
def test_a_damaged_state_is_never_another_state(state: layout.StoreState, data: st.DataObject) -> None:
    """A changed byte or a cut is CorruptStore."""
    packed = bytearray(state.pack())
    place = data.draw(st.integers(0, len(packed) - 1))
    if data.draw(st.booleans()):
        packed[place] ^= data.draw(st.integers(1, 255))
    else:
        del packed[place:]
    with pytest.raises(CorruptStore):
        layout.unpack_state(bytes(packed))


def test_a_record_is_checksum_and_body() -> None:
    """The layout of a record is part of the file format."""
    value = layout.pack_record("c/a", b"body")
    assert value == record_checksum("c/a", b"body") + b"body"
    assert layout.body_of(value) == b"body"


def test_directories_of_plain_products_are_readable() -> None:
    """A plain product shows in its directory's name."""
    assert layout.feed_directory_name("suite") == "feed-suite"
    assert layout.feed_directory_name("a/../b") == "feed-a%2F..%2Fb"
    assert layout.environment_path(Path("x")) == Path("x/store")


@given(PRODUCTS, PRODUCTS)
def test_directories_are_safe_and_distinct(one: str, other: str) -> None:
    """Any product gives one plain file name, and different products give different ones."""
    name = layout.feed_directory_name(one)
    assert Path(name).name == name
    assert name not in {".", ".."}
    assert len(name.encode()) <= 255
    assert (name == layout.feed_directory_name(other)) == (one == other)
