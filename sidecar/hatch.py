"""The hatch between the processes that answer and the main process, when only a working set is held: what is said through it.

Upwards: customers that are wanted, and customers that were asked about lately. Downwards: customers that cannot be had now, with a reason.
That a customer is there is not said: it shows in the store. Each message is one packet of a unix socket, so nothing is cut or mixed.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

WANT: Final = "want"
USED: Final = "used"
GONE: Final = "gone"
PACKET_BYTES: Final = 192 << 10
"""Larger than any message below; packets have the size of the socket's buffer at most."""
CUSTOMERS_AT_ONCE: Final = 400
"""An id has 128 bytes at most, and JSON makes at most two of one of them."""
BACKLOG: Final = 64


def hatch_path(store_dir: Path) -> Path:
    """Return where the main process listens."""
    return store_dir / "hatch.sock"


def listen(path: Path) -> socket.socket:
    """Return a listening socket that only this user may open, in the place of a predecessor's; OSError when that cannot be."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.listen(BACKLOG)
    return listener


def dial(path: Path) -> socket.socket:
    """Return a connection that never blocks; OSError when nobody listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    connection.setblocking(False)
    return connection


def packets(kind: str, product: str, customers: Iterable[str]) -> Iterator[bytes]:
    """Yield the messages that say something of customers, not too many in each."""
    waiting = iter(customers)
    while some := list(islice(waiting, CUSTOMERS_AT_ONCE)):
        yield _packed({"kind": kind, "product": product, "customers": some})


def gone_packets(product: str, reasons: Iterable[tuple[str, str]]) -> Iterator[bytes]:
    """Yield the messages that say which customers cannot be had, and why."""
    waiting = iter(reasons)
    while some := dict(islice(waiting, CUSTOMERS_AT_ONCE)):
        yield _packed({"kind": GONE, "product": product, "customers": some})


def _packed(told: dict[str, Any]) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def opened(packet: bytes) -> tuple[str, str, Any]:
    """Return kind, product and customers of a message; ValueError when it is none."""
    try:
        told = json.loads(packet)
        return str(told["kind"]), str(told["product"]), told["customers"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is no message of the hatch: {error!r}") from error
