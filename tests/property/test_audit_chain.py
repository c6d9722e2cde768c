"""The audit chain: whatever is done to a trail afterwards is found."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from control.domain.audit import GENESIS, AuditEvent, ChainedEvent, chain_event, verify_chain

TEXT = st.text(max_size=12)
CONTENT = st.tuples(TEXT, TEXT, TEXT, st.none() | TEXT, st.none() | TEXT)
CONTENTS = st.lists(CONTENT, min_size=2, max_size=12)


def trail(contents: list[tuple[str, str, str, str | None, str | None]]) -> list[ChainedEvent]:
    """Return a whole trail."""
    chained: list[ChainedEvent] = []
    for seq, (actor, action, subject, before, after) in enumerate(contents, 1):
        previous = chained[-1].hash if chained else GENESIS
        chained.append(chain_event(previous, AuditEvent(seq, 1_000 + seq, actor, action, subject, before, after)))
    return chained


@given(CONTENTS)
def test_an_untouched_trail_is_whole(contents: list[tuple[str, str, str, str | None, str | None]]) -> None:
    """No false alarm."""
    events = trail(contents)
    verdict = verify_chain(events, len(events), events[-1].hash)
    assert verdict.ok
    assert verdict.count == len(events)
    assert verify_chain([], 0, GENESIS).ok


@given(CONTENTS, st.data())
def test_any_edit_is_found_at_its_place(
    contents: list[tuple[str, str, str, str | None, str | None]], data: st.DataObject
) -> None:
    """One changed field of one event, whichever."""
    events = trail(contents)
    index = data.draw(st.integers(0, len(events) - 1))
    name = data.draw(st.sampled_from(["at_ms", "actor", "action", "subject", "before", "after"]))
    event = events[index].event
    fresh: Any = (
        event.at_ms + 1 if name == "at_ms" else data.draw(TEXT.filter(lambda text: text != getattr(event, name)))
    )
    events[index] = replace(events[index], event=replace(event, **{name: fresh}))
    assert verify_chain(events, len(events), events[-1].hash).first_bad_seq == index + 1


@given(CONTENTS, st.data())
def test_any_removal_is_found(
    contents: list[tuple[str, str, str, str | None, str | None]], data: st.DataObject
) -> None:
    """Also of the last event, as long as the head is kept elsewhere."""
    events = trail(contents)
    head = events[-1].hash
    del events[data.draw(st.integers(0, len(events) - 1))]
    assert not verify_chain(events, len(events) + 1, head).ok
    assert not verify_chain(events, len(events), head).ok


@given(CONTENTS, st.data())
def test_any_exchange_is_found(
    contents: list[tuple[str, str, str, str | None, str | None]], data: st.DataObject
) -> None:
    """Two events that change places, with their numbers or without."""
    events = trail(contents)
    one, other = data.draw(st.lists(st.integers(0, len(events) - 1), min_size=2, max_size=2, unique=True))
    head = events[-1].hash
    swapped = list(events)
    swapped[one], swapped[other] = swapped[other], swapped[one]
    assert not verify_chain(swapped, len(events), head).ok
    renumbered = [
        replace(each, event=replace(each.event, seq=number)) if number != each.event.seq else each
        for number, each in enumerate(swapped, 1)
    ]
    assert not verify_chain(renumbered, len(events), head).ok


@given(CONTENTS, CONTENT, st.data())
def test_any_insertion_is_found(
    contents: list[tuple[str, str, str, str | None, str | None]],
    content: tuple[str, str, str, str | None, str | None],
    data: st.DataObject,
) -> None:
    """An event that is chained properly to the one before it still breaks the one after it, or the head."""
    events = trail(contents)
    head = events[-1].hash
    index = data.draw(st.integers(0, len(events)))
    previous = events[index - 1].hash if index else GENESIS
    forged = chain_event(previous, AuditEvent(index + 1, 1_500, *content))
    after = [replace(each, event=replace(each.event, seq=each.event.seq + 1)) for each in events[index:]]
    assert not verify_chain([*events[:index], forged, *after], len(events) + 1, head).ok
    assert not verify_chain([*events[:index], forged, *events[index:]], len(events) + 1, head).ok


@given(CONTENT, CONTENT)
def test_fields_cannot_run_into_each_other(
    one: tuple[str, str, str, str | None, str | None], other: tuple[str, str, str, str | None, str | None]
) -> None:
    """Different events have different hashes, wherever a text ends and the next begins; nothing is not the empty text."""
    hashes = {chain_event(GENESIS, AuditEvent(1, 1, *content)).hash for content in (one, other)}
    assert len(hashes) == (1 if one == other else 2)
