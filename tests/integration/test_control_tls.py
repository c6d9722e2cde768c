"""The control plane's gRPC address over TLS, from its settings to a sidecar's channel."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from control.app import ControlPlane, StartError, tls_files
from control.settings import Settings, load_settings
from demo.console import main as console
from entitlements.runtime.clock import SystemClock
from entitlements.v1 import feed_service_pb2 as messages
from entitlements.v1.feed_service_pb2_grpc import FeedServiceStub
from sidecar.feed.control_source import open_channel
from tests.support.certificates import certificate
from tests.support.processes import free_port


def settings_of(folder: Path, **more: str) -> Settings:
    """Return settings whose files lie in a folder."""
    return load_settings(
        {
            "ENTITLEMENTS_CONTROL_DATABASE": f"sqlite:///{folder / 'control.db'}",
            "ENTITLEMENTS_CONTROL_HTTP": "127.0.0.1:0",
            "ENTITLEMENTS_CONTROL_GRPC": f"localhost:{free_port()}",
            "ENTITLEMENTS_CONTROL_PEPPER_FILE": str(folder / "pepper"),
            "ENTITLEMENTS_CONTROL_SIGNING_KEYS": str(folder / "keys"),
            **{f"ENTITLEMENTS_CONTROL_GRPC_{name}": value for name, value in more.items()},
        }
    )


async def test_a_sidecars_channel_trusts_the_named_authority_alone(tmp_path: Path) -> None:
    """With the right authority the call arrives (and is refused for want of a key); with another one, or in plain text, it does not."""
    cert, key = certificate(tmp_path, "control")
    foreign, _ = certificate(tmp_path, "foreign")
    assert console(["keys", "init", "--dir", str(tmp_path / "keys")]) == 0
    settings = settings_of(tmp_path, CERT=str(cert), KEY=str(key))
    plane = ControlPlane(settings, SystemClock())
    plane.feed.start()
    try:
        codes = []
        for authority in (cert, foreign, None):
            async with open_channel(str(settings.grpc), authority) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await FeedServiceStub(channel).GetKeySet(messages.GetKeySetRequest(), timeout=5)
                codes.append(caught.value.code())
        assert codes == [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE]
    finally:
        plane.feed.stop(0)
        plane.store.engine.dispose()


def test_half_a_pair_or_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    """The message names both variables, or the file."""
    cert, _ = certificate(tmp_path, "control")
    with pytest.raises(StartError, match="both ENTITLEMENTS_CONTROL_GRPC_CERT and ENTITLEMENTS_CONTROL_GRPC_KEY"):
        tls_files(settings_of(tmp_path, CERT=str(cert)))
    with pytest.raises(StartError, match=r"gone\.key cannot be read"):
        tls_files(settings_of(tmp_path, CERT=str(cert), KEY=str(tmp_path / "gone.key")))
