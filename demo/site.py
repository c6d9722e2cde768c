"""Where one run has its files, sockets and addresses."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PREFIX: Final = "ENTITLEMENTS_"


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without our own settings, so that what a terminal happens to export changes no story."""
    return {name: value for name, value in environ.items() if not name.startswith(PREFIX)}


@dataclass(slots=True)
class Site:
    """One run's places. `folder` keeps databases, keys, stores and logs; sockets lie in a folder with a short name.

    The kernel limits a socket's path to 107 bytes, and nobody wants to choose a data folder by its length.
    """

    folder: Path
    temporary: bool
    http: int = field(default_factory=free_port)
    grpc: int = field(default_factory=free_port)
    service: int = field(default_factory=free_port)
    sockets: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="ent-")))

    @classmethod
    def make(cls, data: Path | None) -> Site:
        """Use `data`, made when it is not there; without one a temporary folder, removed at the end."""
        if data is None:
            return cls(Path(tempfile.mkdtemp(prefix="entitlements-demo-")), temporary=True)
        data.mkdir(parents=True, exist_ok=True)
        return cls(data.resolve(), temporary=False)

    @property
    def logs(self) -> Path:
        """Where each process writes its log."""
        return self.folder / "logs"

    @property
    def keys(self) -> Path:
        """Where the keys that sign the feed lie."""
        return self.folder / "keys"

    @property
    def valkey_socket(self) -> Path:
        """Where Valkey listens."""
        return self.sockets / "valkey.sock"

    @property
    def rest(self) -> str:
        """Return the address of REST."""
        return f"http://127.0.0.1:{self.http}"

    def control_environ(self) -> dict[str, str]:
        """Return the environment of the control plane and of its command lines."""
        return {
            **without_settings(os.environ),
            "PYTHONUNBUFFERED": "1",
            "ENTITLEMENTS_CONTROL_DATABASE": f"sqlite:///{self.folder / 'control.db'}",
            "ENTITLEMENTS_CONTROL_HTTP": f"127.0.0.1:{self.http}",
            "ENTITLEMENTS_CONTROL_GRPC": f"127.0.0.1:{self.grpc}",
            "ENTITLEMENTS_CONTROL_PEPPER_FILE": str(self.folder / "pepper"),
            "ENTITLEMENTS_CONTROL_SIGNING_KEYS": str(self.keys),
            "ENTITLEMENTS_REDIS_URL": f"unix://{self.valkey_socket}",
        }

    def remove(self) -> None:
        """Remove what was temporary."""
        shutil.rmtree(self.sockets, ignore_errors=True)
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
