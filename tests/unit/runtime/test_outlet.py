"""Log lines leave a process in order, or are dropped and counted; nobody ever waits for them."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from entitlements.runtime import logs
from entitlements.runtime.outlet import LINE_BYTES, LINES, Outlet

WITHIN_S = 10.0
LAST_WORDS = """
from entitlements.runtime.outlet import Outlet
outlet = Outlet(2)
for number in range(100):
    outlet.write(f"line {number}\\n")
"""
LOGGING = """
import sys
from entitlements.runtime import logs
from entitlements.runtime.outlet import Outlet
logs.configure("info", "json", process="main", stream=Outlet(2))
logs.logger().info("opened", seq=7)
raise SystemExit(3)
"""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe: where to read, where to write."""
    source, sink = os.pipe()
    yield source, sink
    os.close(source)
    os.close(sink)


def test_lines_come_out_whole_and_in_order(pipe: tuple[int, int]) -> None:
    """As they were written."""
    outlet = Outlet(pipe[1])
    for number in range(10):
        assert outlet.write(f"line {number}\n") == 7
        outlet.flush()
    outlet.close(WITHIN_S)
    assert os.read(pipe[0], 1 << 16) == b"".join(b"line %d\n" % number for number in range(10))
    assert not outlet.isatty()


def test_reader_that_stalls_holds_nobody_up(pipe: tuple[int, int]) -> None:
    """What does not fit is dropped and counted, and that is told when the reader goes on; the queue is bounded."""
    dropped: list[None] = []
    outlet = Outlet(pipe[1], lambda: dropped.append(None))
    line = "x" * 1_000 + "\n"
    fits = LINES + (1 << 16) // len(line) + 1
    for _ in range(fits + 500):
        outlet.write(line)
    assert len(dropped) >= 500
    assert repr(outlet).endswith("dropped]>")
    read = bytearray()
    reading = threading.Thread(target=lambda: _read_until(pipe[0], read, b"log lines were dropped"))
    reading.start()
    reading.join(WITHIN_S)
    assert b'"lines": %d}' % len(dropped) in read
    written = read.count(b"\n") - 1
    assert written + len(dropped) == fits + 500


def _read_until(source: int, read: bytearray, words: bytes) -> None:
    while words not in read or not read.endswith(b"\n"):
        read += os.read(source, 1 << 16)
    while read.count(b"x" * 1_000) and _has_more(source):
        read += os.read(source, 1 << 16)


def _has_more(source: int) -> bool:
    return bool(select.select([source], [], [], 0.5)[0])


def test_endless_line_is_cut(pipe: tuple[int, int]) -> None:
    """A stack of a deep recursion does not fill the memory."""
    outlet = Outlet(pipe[1])
    outlet.write("é" * LINE_BYTES)
    outlet.close(WITHIN_S)
    assert len(os.read(pipe[0], 1 << 17)) == LINE_BYTES + len("...\n")


def test_reader_that_is_gone_costs_the_lines_alone() -> None:
    """No exception reaches whoever logs."""
    source, sink = os.pipe()
    os.close(source)
    outlet = Outlet(sink)
    outlet.write("nobody hears this\n")
    outlet.close(WITHIN_S)
    os.close(sink)
    assert "0 lines wait" in repr(outlet)


def test_last_words_are_heard() -> None:
    """The end of a process waits for the queue."""
    done = subprocess.run([sys.executable, "-c", LAST_WORDS], stderr=subprocess.PIPE, check=True)
    assert done.stderr.count(b"\n") == 100
    failing = subprocess.run([sys.executable, "-c", LOGGING], stderr=subprocess.PIPE, check=False)
    assert failing.returncode == 3
    assert failing.stderr.count(b"\n") == 1
    assert b'"event": "opened"' in failing.stderr


def test_stream_of_the_logs_may_be_an_outlet(pipe: tuple[int, int]) -> None:
    """Type and behaviour: what `configure` wants is what it is."""
    stream: logs.Stream = Outlet(pipe[1])
    assert stream.write("one\n") == 4
