"""A client that speaks HTTP/2 frames by hand, to do what no library would: send and never read, half a frame, nothing at all."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, END_HEADERS = 1, 4
INITIAL_WINDOW = 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return one frame (RFC 9113, 4.1)."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def settings(**values: int) -> bytes:
    """Return a SETTINGS frame; `initial_window` is the only one known here."""
    pairs = b"".join(struct.pack(">HI", INITIAL_WINDOW, value) for value in values.values())
    return frame(SETTINGS, 0, 0, pairs)


def headers(path: str) -> bytes:
    """Return the header block of a gRPC call, every field a literal without indexing (RFC 7541, 6.2.2)."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "x",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())


def _text(text: str) -> bytes:
    return bytes((len(text),)) + text.encode()


def message(payload: bytes) -> bytes:
    """Return a gRPC message: not compressed, its length, itself."""
    return b"\0" + struct.pack(">I", len(payload)) + payload


class RawClient:
    """One connection over a unix socket."""

    def __init__(self, path: Path, *, window: int = 65_535) -> None:
        """Connect and say hello with the given initial window for answers."""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(path))
        self.socket.sendall(PREFACE + settings(initial_window=window))
        self._next = 1

    def open(self, path: str) -> int:
        """Open a call and send no message; return its stream."""
        stream, self._next = self._next, self._next + 2
        self.socket.sendall(frame(HEADERS, END_HEADERS, stream, headers(path)))
        return stream

    def ask(self, path: str, payload: bytes) -> int:
        """Make a whole call; return its stream. Nothing is read."""
        stream = self.open(path)
        self.socket.sendall(frame(DATA, END_STREAM, stream, message(payload)))
        return stream

    def read_until(self, kind: int) -> bytes:
        """Read frames until one of a kind comes; return its payload. EOFError when the connection ends first."""
        while True:
            head = self._exactly(9)
            payload = self._exactly(int.from_bytes(head[:3], "big"))
            if head[3] == kind:
                return payload

    def _exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            more = self.socket.recv(count - len(got))
            if not more:
                raise EOFError("the connection ended")
            got += more
        return got

    def close(self) -> None:
        """Close without a word."""
        self.socket.close()
