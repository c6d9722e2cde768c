"""TLS on the TCP address of every transport: who is let in, and certificates that change while calls go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from entitlements.runtime.certificates import LOADED, REFUSED, CertificateError, CertificateFiles
from entitlements.runtime.forms import Address
from sidecar.serving.transports.seam import Endpoints, Limits, Surface, Transport
from tests.conformance.test_transports import BASE, WAIT_S, Methods, code_of, make
from tests.support.certificates import certificate

__all__ = ["make"]  # a fixture


class Secured:
    """A transport with TLS, its live files, and what was told of them."""

    def __init__(
        self, make: Callable[[Surface, Limits, Endpoints], Transport], folder: Path, *, clients: Path | None
    ) -> None:
        self.told: list[tuple[str, str]] = []
        self.pair = (folder / "live.crt", folder / "live.key")
        self.install(certificate(folder, "first"))
        files = CertificateFiles(*self.pair, clients, lambda result, problem: self.told.append((result, problem)))
        endpoints = Endpoints(folder / "s.sock", listen=Address("127.0.0.1", 0), credentials=files.credentials())
        self.transport = make(Methods().surface(), Limits(), endpoints)
        self.transport.bind(takeover=False)
        self.transport.start()

    def install(self, pair: tuple[Path, Path]) -> None:
        """Put a certificate and its key where the transport looks."""
        for source, target in zip(pair, self.pair, strict=True):
            target.write_bytes(source.read_bytes())

    def ask(self, authority: Path, own: tuple[Path, Path] | None = None) -> bytes:
        """Make one call over a new connection; the caller shows its own certificate when it has one."""
        chain, key = (None, None) if own is None else (own[0].read_bytes(), own[1].read_bytes())
        credentials = grpc.ssl_channel_credentials(authority.read_bytes(), key, chain)
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.ssl_target_name_override", "localhost")]
        opened: Any = grpc.secure_channel(f"127.0.0.1:{self.transport.tcp_port}", credentials, options)
        with opened as channel:
            answer: bytes = channel.unary_unary(BASE + "echo")(b"x", timeout=WAIT_S)
            return answer


@pytest.fixture
def secured(
    make: Callable[[Surface, Limits, Endpoints], Transport], tmp_path: Path
) -> Iterator[Callable[..., Secured]]:
    """Return a function that starts a transport with TLS; it is stopped at the end."""
    started: list[Secured] = []

    def start(*, clients: Path | None = None) -> Secured:
        started.append(Secured(make, tmp_path, clients=clients))
        return started[-1]

    yield start
    for one in started:
        one.transport.stop(0)


def test_caller_who_trusts_the_authority_is_answered(secured: Callable[..., Secured], tmp_path: Path) -> None:
    """One who trusts another, or speaks plain text, is not; the unix socket goes on in plain text."""
    running = secured()
    assert running.ask(tmp_path / "first.crt") == b"x"
    foreign, _ = certificate(tmp_path, "foreign")
    assert code_of(lambda: running.ask(foreign)) is grpc.StatusCode.UNAVAILABLE
    plain: Any = grpc.insecure_channel(f"127.0.0.1:{running.transport.tcp_port}")
    with plain as channel:
        assert code_of(lambda: channel.unary_unary(BASE + "echo")(b"x", timeout=WAIT_S)) is grpc.StatusCode.UNAVAILABLE
    local: Any = grpc.insecure_channel(f"unix:{tmp_path}/s.sock")
    with local as channel:
        assert channel.unary_unary(BASE + "echo")(b"x", timeout=WAIT_S) == b"x"


def test_callers_own_certificate_is_asked_for(secured: Callable[..., Secured], tmp_path: Path) -> None:
    """With authorities for callers, one without a certificate, or with a stranger's, is refused in the handshake."""
    caller = certificate(tmp_path, "caller")
    stranger = certificate(tmp_path, "stranger")
    running = secured(clients=caller[0])
    authority = tmp_path / "first.crt"
    assert running.ask(authority, caller) == b"x"
    assert code_of(lambda: running.ask(authority)) is grpc.StatusCode.UNAVAILABLE
    assert code_of(lambda: running.ask(authority, stranger)) is grpc.StatusCode.UNAVAILABLE


def test_renewed_certificate_is_taken_up_and_half_a_one_is_not(secured: Callable[..., Secured], tmp_path: Path) -> None:
    """Files may change at any moment: a pair that does not belong together leaves the one before in use, and is told once."""
    running = secured()
    second = certificate(tmp_path, "second")
    running.pair[0].write_bytes(second[0].read_bytes())  # as somebody sees it between two writes
    for _ in range(2):
        assert running.ask(tmp_path / "first.crt") == b"x"
    assert [result for result, _ in running.told] == [REFUSED]
    assert "no matching PEM files" in running.told[0][1]
    running.pair[1].write_bytes(second[1].read_bytes())
    assert running.ask(second[0]) == b"x"
    assert code_of(lambda: running.ask(tmp_path / "first.crt")) is grpc.StatusCode.UNAVAILABLE
    assert [result for result, _ in running.told] == [REFUSED, LOADED]


def test_files_that_vanish_leave_the_certificate_in_use(secured: Callable[..., Secured], tmp_path: Path) -> None:
    """A volume that is gone for a moment costs no handshake."""
    running = secured()
    running.pair[1].unlink()
    assert running.ask(tmp_path / "first.crt") == b"x"
    assert running.told == [(REFUSED, f"{running.pair[1]} cannot be read: No such file or directory")]


def test_unusable_files_are_named_at_the_start(tmp_path: Path) -> None:
    """Absent, not PEM, or not belonging together: the start stops with the file's name."""
    good, other = certificate(tmp_path, "good"), certificate(tmp_path, "other")
    with pytest.raises(CertificateError, match=r"gone\.key cannot be read: No such file"):
        CertificateFiles(good[0], tmp_path / "gone.key", None).credentials()
    with pytest.raises(CertificateError, match="no matching PEM files"):
        CertificateFiles(good[0], other[1], None).credentials()
    (tmp_path / "junk").write_text("junk")
    with pytest.raises(CertificateError, match="no matching PEM files"):
        CertificateFiles(tmp_path / "junk", good[1], None).credentials()
    with pytest.raises(CertificateError, match="no matching PEM files"):
        CertificateFiles(*good, tmp_path / "junk").credentials()
