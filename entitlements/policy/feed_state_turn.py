"""One step while it is made: the state so far and the commands so far. Lives inside `step` only, so the step stays pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from entitlements.policy.feed_state_commands import Command, Note, SetForked
from entitlements.policy.feed_state_rules import Rule
from entitlements.policy.feed_state_value import (
    BACKOFF_CAP_MS,
    BACKOFF_FIRST_MS,
    EPOCH_AHEAD_MS,
    FeedState,
    Moment,
    Version,
)
from entitlements.policy.ids import Epoch, Millis


class Turn:
    """Collects what one event changes."""

    __slots__ = ("commands", "now", "state")

    def __init__(self, state: FeedState, now: Moment) -> None:
        self.state = state
        self.now = now
        self.commands: list[Command] = []

    def change(self, **changes: Any) -> None:
        """Replace fields of the state."""
        self.state = replace(self.state, **changes)

    def do(self, command: Command) -> None:
        """Add a command."""
        self.commands.append(command)

    def note(self, rule: Rule) -> None:
        """Say which rule was applied."""
        self.commands.append(Note(rule))

    def want(self) -> None:
        """Ask for a catch-up; level-triggered, so asking twice is asking once."""
        if not self.state.wanted:
            self.change(wanted=True)

    def ack(self) -> None:
        """Ask for an ack as soon as the rate allows."""
        if not self.state.ack_due:
            self.change(ack_due=True)

    def see_head(self, version: Version) -> None:
        """Remember that a signed message speaks of this version."""
        if version > self.state.known_head:
            self.change(known_head=version)

    def too_far_ahead(self, epoch: Epoch) -> bool:
        """Return whether an epoch lies more than a day ahead of the wall clock, so that accepting it would lock out all later ones."""
        return epoch * 1000 > self.now.wall_ms + EPOCH_AHEAD_MS

    def fork(self, rule: Rule) -> None:
        """Stand still on this history: serve it, never call it fresh, and wait for a greater epoch."""
        self.note(rule)
        if not self.state.forked:
            self.change(forked=True, confirmed=False, catch_up=None, wanted=False, ack_due=True)
            self.do(SetForked())

    def lose_basis(self, rule: Rule) -> None:
        """Stop building on what is stored; it is still served while its age grows."""
        self.note(rule)
        self.change(basis=False, confirmed=False, wanted=True, ack_due=True)

    def try_later(self) -> None:
        """End the catch-up and want the next one after a pause that grows with each failure."""
        failures = self.state.failures + 1
        self.change(
            catch_up=None,
            wanted=True,
            failures=failures,
            retry_at_mono_ms=Millis(self.now.mono_ms + self.pause_ms(failures)),
        )

    def pause_ms(self, failures: int) -> int:
        """Return a pause with full jitter: uniform below a bound that doubles from 0.2 s to 5 s; at least 1 ms."""
        bound = min(BACKOFF_CAP_MS, BACKOFF_FIRST_MS << min(max(failures - 1, 0), 8))
        return 1 + int(bound * self.now.draw)
