"""From settings to a transport: which one, where it listens, with what limits and certificates."""

from __future__ import annotations

import grpc

from entitlements.runtime.certificates import REFUSED, CertificateError, CertificateFiles
from entitlements.runtime.metrics import Meters
from entitlements.runtime.settings import SettingsError
from sidecar import metrics
from sidecar.serving.report import Log
from sidecar.serving.transports.choice import Choice, choose
from sidecar.serving.transports.seam import Endpoints, Limits, Surface, Transport
from sidecar.settings import SidecarSettings


def make_transport(settings: SidecarSettings, number: int, surface: Surface, meters: Meters, log: Log) -> Transport:
    """Return the transport of the serving process with this number, not bound yet; SettingsError for unusable certificates."""
    choice = choose(settings.transport)
    _tell(choice, meters, log)
    # gRPC processes cannot share one unix socket: a path has one listener. A TCP port has as many as are bound with SO_REUSEPORT.
    endpoints = Endpoints(
        settings.socket if number == 0 else None,
        settings.socket_mode,
        settings.listen,
        credentials=None if settings.listen is None else _credentials(settings, meters, log),
    )
    return choice.make(surface, Limits(threads=settings.threads, max_concurrent=settings.max_concurrent), endpoints)


def _tell(choice: Choice, meters: Meters, log: Log) -> None:
    meters.gauge(metrics.TRANSPORT, choice.name, choice.wanted).set(1)
    if choice.problem is not None:
        remedy = "install the locked grpcio, or set ENTITLEMENTS_TRANSPORT=stock to say that this is meant"
        log.warning(
            "transport not fit for use here",
            wanted=choice.wanted,
            used=choice.name,
            problem=choice.problem,
            remedy=remedy,
        )


def _credentials(settings: SidecarSettings, meters: Meters, log: Log) -> grpc.ServerCredentials | None:
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None and key is None:
        if settings.tls_client_ca is not None:
            raise SettingsError(
                "ENTITLEMENTS_TLS_CLIENT_CA",
                "is set without a certificate",
                "set ENTITLEMENTS_TLS_CERT and ENTITLEMENTS_TLS_KEY too",
            )
        return None
    if certificate is None or key is None:
        given, absent = ("KEY", "CERT") if certificate is None else ("CERT", "KEY")
        raise SettingsError(
            f"ENTITLEMENTS_TLS_{given}", f"is set without ENTITLEMENTS_TLS_{absent}", "set both or none"
        )

    def told(result: str, problem: str) -> None:
        meters.counter(metrics.TLS_RENEWALS, result).inc()
        if result == REFUSED:
            log.warning(
                "renewed certificate not taken",
                problem=problem,
                remedy="the one before stays in use; write a matching pair",
            )
        else:
            log.info("renewed certificate taken", certificate=str(certificate))

    try:
        return CertificateFiles(certificate, key, settings.tls_client_ca, told).credentials()
    except CertificateError as error:
        raise SettingsError(
            "ENTITLEMENTS_TLS_CERT", f"cannot be used: {error}", "name PEM files that belong together"
        ) from None
