"""A gRPC server on its endpoints: what every transport does alike, from the claim of a path to its withdrawal."""

from __future__ import annotations

import os

import grpc

from sidecar.serving.transports.endpoints import SocketPath, check_port_is_free
from sidecar.serving.transports.seam import Endpoints


class Binding:
    """Binds one server to a unix socket, a TCP address, or both."""

    def __init__(self, server: grpc.Server, endpoints: Endpoints) -> None:
        """Bind nothing yet; OSError when the socket's path cannot be bound at all."""
        self._server = server
        self._endpoints = endpoints
        self._socket = None if endpoints.socket is None else SocketPath(endpoints.socket, endpoints.socket_mode)
        self.tcp_port: int | None = None

    def bind(self, *, takeover: bool) -> None:
        """Claim the endpoints; see `Transport.bind`."""
        listen = self._endpoints.listen
        if listen is not None:
            if not takeover:
                check_port_is_free(listen)
            self.tcp_port = self._add_port(str(listen), self._endpoints.credentials)
        if self._socket is not None:
            self._socket.claim()
            bound = self._socket.temporary()
            before = os.umask(0o177)  # nobody else may connect between the binding and the chmod
            try:
                self._add_port(f"unix:{bound}")
            finally:
                os.umask(before)
            self._socket.publish(bound)

    def _add_port(self, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
        try:
            if credentials is not None:
                return self._server.add_secure_port(address, credentials)
            return self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}: {error}") from None

    def release(self) -> None:
        """Give up the claim on the socket's path; see `Transport.release`."""
        if self._socket is not None:
            self._socket.lock.release()

    def withdraw(self) -> None:
        """Remove the socket if it is still ours."""
        if self._socket is not None:
            self._socket.withdraw()

    def __repr__(self) -> str:
        """Show where it listens."""
        over = "" if self._endpoints.credentials is None else " with TLS"
        return f"{self._endpoints.socket} | port {self.tcp_port}{over}"
