"""The three methods of CheckService as handlers of bytes: a caller's bug becomes a refusal with its field, its remedy, and a count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import grpc

from entitlements.wire.errors import FieldError
from entitlements.wire.status import abort_details
from sidecar.serving.engine import Engine
from sidecar.serving.several import Several
from sidecar.serving.tally import BATCH, CHECK, LIST
from sidecar.serving.transports.seam import Call, Refused, Surface, UnaryHandler

PREFIX: Final = "/entitlements.v1.CheckService/"


def build_surface(
    engine: Engine, attach: tuple[Callable[[grpc.Server], None], ...], report: Callable[[str, BaseException], None]
) -> Surface:
    """Return everything that a listener serves. `report(method, error)` is told of what even a fallback could not answer."""

    def failed(path: str, error: BaseException) -> None:
        method = path.removeprefix(PREFIX)
        engine.tally.failed(method)
        report(method, error)

    several = Several(engine)
    methods = {CHECK: engine.check, BATCH: several.batch, LIST: several.list}
    unary = {PREFIX + method: _refusing(method, handler, engine) for method, handler in methods.items()}
    return Surface(unary, attach, failed)


def _refusing(method: str, handler: UnaryHandler, engine: Engine) -> UnaryHandler:
    def answer(request: bytes, call: Call) -> bytes:
        try:
            return handler(request, call)
        except FieldError as error:
            engine.tally.refused(method, error.reason.value)
            raise Refused(*abort_details(error)) from None

    return answer
