"""A gRPC server's TLS: certificate files that are looked at again for every new connection, so a renewed one needs no restart.

Kubernetes and cert-manager replace files while processes run. A handshake looks whether they changed; a pair that does not load or does not
belong together is not taken, and the one before stays in use until the files are right.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import grpc

Stamp: TypeAlias = tuple[tuple[int, int, int], ...]
"""Inode, size and time of change of each file."""
LOADED: Final = "loaded"
REFUSED: Final = "refused"


class CertificateError(Exception):
    """The certificate files cannot be used: which, and why."""


@dataclass(slots=True)
class CertificateFiles:
    """A certificate chain, its key, and the authorities that clients must come from (None: clients need no certificate).

    `told(result, problem)` hears of every renewal: `loaded`, or `refused` with the reason, once for each state of the files.
    """

    certificate: Path
    key: Path
    client_authorities: Path | None
    told: Callable[[str, str], None] = lambda _result, _problem: None
    _stamp: Stamp = field(default=(), init=False)
    _problem: str = field(default="", init=False)

    def credentials(self) -> grpc.ServerCredentials:
        """Load the files for a server; CertificateError when they cannot be used now."""
        self._stamp = self._look()
        return grpc.dynamic_ssl_server_credentials(
            self._load(),
            self._renewed,  # type: ignore[arg-type] # it may return None, which its stub does not know
            require_client_authentication=self.client_authorities is not None,
        )

    def _files(self) -> tuple[Path, ...]:
        files = (self.certificate, self.key)
        return files if self.client_authorities is None else (*files, self.client_authorities)

    def _look(self) -> Stamp:
        try:
            found = [path.stat() for path in self._files()]
        except OSError as error:
            raise CertificateError(f"{error.filename} cannot be read: {error.strerror}") from None
        return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in found)

    def _load(self) -> grpc.ServerCertificateConfiguration:
        trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            trial.load_cert_chain(self.certificate, self.key, password="")
            if self.client_authorities is not None:
                trial.load_verify_locations(self.client_authorities)
            pair = (self.key.read_bytes(), self.certificate.read_bytes())
            authorities = None if self.client_authorities is None else self.client_authorities.read_bytes()
        except ssl.SSLError as error:
            names = ", ".join(map(str, self._files()))
            raise CertificateError(f"{names} are no matching PEM files ({error.reason or error})") from None
        except OSError as error:
            raise CertificateError(f"{error.filename} cannot be read: {error.strerror}") from None
        return grpc.ssl_server_certificate_configuration([pair], authorities)

    def _renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the new configuration when the files have changed and are good (called by gRPC before each handshake)."""
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return None
            self._stamp = stamp
            renewed = self._load()
        except CertificateError as error:
            problem = str(error)
            if problem != self._problem:
                self.told(REFUSED, problem)
            self._problem = problem
            return None
        self._problem = ""
        self.told(LOADED, "")
        return renewed
