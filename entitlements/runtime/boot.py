"""Which boot of the machine this is: monotonic readings of two processes can be compared only within one."""

from __future__ import annotations

from pathlib import Path


def read_boot_id() -> str:
    """Return the kernel's name for this boot; empty where there is none, and then no monotonic reading of another process counts."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
