"""What can go wrong in the policy store. The tree is closed; each class names one reaction."""

from __future__ import annotations


class StoreError(Exception):
    """Anything that the policy store refuses or suffers."""


class NothingStored(StoreError):  # noqa: N818 - a state, not a failure
    """There is no policy set yet: take a snapshot."""


class CorruptStore(StoreError):  # noqa: N818 - a state, not a failure
    """The file does not hold what was written to it: set it aside and take a snapshot."""


class CorruptRecord(CorruptStore):
    """One record does not match its checksum; ``key`` names it."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"record {key} {problem}")
        self.key = key


class DigestMismatch(StoreError):  # noqa: N818 - names the finding
    """The set after a change is not the signed one; nothing was changed: take a snapshot."""


class NotNext(StoreError):  # noqa: N818 - names the finding
    """A delta does not follow the stored position; nothing was changed: catch up first."""


class NotAhead(StoreError):  # noqa: N818 - names the finding
    """A change would take the position back, below the stored one or below the floor; nothing was changed."""


class StoreFull(StoreError):  # noqa: N818 - names the finding
    """The map cannot grow further; nothing was changed."""


class StoreUnwritable(StoreError):  # noqa: N818 - a state
    """The disk refused (full, read-only); nothing was changed, readers go on with what there is."""


class StoreBusy(StoreError):  # noqa: N818 - a state
    """Another process is the writer of this store."""


class FloorDamaged(StoreError):  # noqa: N818 - a state
    """The floor file cannot be read, so the lowest acceptable position is unknown."""
