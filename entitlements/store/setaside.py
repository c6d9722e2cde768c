"""Setting a store aside: renamed, kept for a look at what went wrong, out of everybody's way. One such copy is kept."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from entitlements.store.errors import NothingStored, StoreUnwritable
from entitlements.store.layout import environment_path

_BAD: Final = ".bad-"


def set_aside(directory: Path, now_ms: int) -> Path:
    """Rename the store of a feed directory to ``store.bad-<utc>`` and return the new path; older such copies are removed.

    The floor stays in force. The caller has closed its writer; readers turn to the next store by themselves. NothingStored when there is
    no store, StoreUnwritable when the disk refuses.
    """
    path = environment_path(directory)
    when = datetime.fromtimestamp(now_ms / 1000, UTC)
    target = path.with_name(f"{path.name}{_BAD}{when:%Y%m%dT%H%M%S}.{now_ms % 1000:03d}Z")
    for old in path.parent.glob(f"{path.name}{_BAD}*"):
        shutil.rmtree(old, ignore_errors=True)
    try:
        path.rename(target)
    except FileNotFoundError as error:
        raise NothingStored(f"{path} holds no store") from error
    except OSError as error:
        raise StoreUnwritable(f"{path} cannot be set aside: {error}") from error
    return target
