"""The two services that every gRPC tool expects beside ours: health (Check and Watch) and reflection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from entitlements.v1 import check_service_pb2

CHECK_SERVICE: Final = check_service_pb2.DESCRIPTOR.services_by_name["CheckService"].full_name
REFLECTION_THREADS: Final = 2
"""A reflection stream holds its thread for as long as its client likes; it gets threads of its own, so it never takes one from Check."""


class Health:
    """The health of the listener as a whole and of CheckService: serving until the drain begins."""

    def __init__(self) -> None:
        # Watchers are told by callback and hold no thread.
        self._servicer = health.HealthServicer(experimental_non_blocking=True)
        self._servicer.set(CHECK_SERVICE, health_pb2.HealthCheckResponse.SERVING)

    def attach(self, server: grpc.Server) -> None:
        """Register the service."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    def drain(self) -> None:
        """Say NOT_SERVING from now on, to watchers at once."""
        self._servicer.enter_graceful_shutdown()


class _Reflection:
    """The stock servicer's one method, on threads of its own."""

    def __init__(self, names: tuple[str, ...]) -> None:
        answer: Callable[..., Iterator[Any]] = reflection.ReflectionServicer(names).ServerReflectionInfo

        def serve(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            yield from answer(requests, context)

        serve.experimental_thread_pool = ThreadPoolExecutor(REFLECTION_THREADS)  # type: ignore[attr-defined]
        self.ServerReflectionInfo = serve


def attach_reflection(server: grpc.Server) -> None:
    """Register reflection of everything that is served."""
    names = (CHECK_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(_Reflection(names), server)
