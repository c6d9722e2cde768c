"""Which client an application gets is the deployment's choice: by RPC, or in its own process where the pod shares the store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from entitlements.client.aio import AsyncEntitlementClient
from entitlements.client.blocking import EntitlementClient
from entitlements.client.channel import DEFAULT_TIMEOUT_S
from entitlements.client.local import LocalEntitlementClient
from entitlements.client.local_aio import AsyncLocalEntitlementClient
from entitlements.client.reply import ReplyPolicy

STORE_VARIABLE: Final = "ENTITLEMENTS_LOCAL_STORE"
"""The sidecar's store directory as the application's container sees it; set it to decide in the application's process."""


def open_client(
    product: str,
    target: str | None = None,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    policy: ReplyPolicy | None = None,
    environ: Mapping[str, str] = os.environ,
) -> EntitlementClient:
    """Return a LocalEntitlementClient when $ENTITLEMENTS_LOCAL_STORE names a store directory, else an EntitlementClient."""
    store_dir = environ.get(STORE_VARIABLE)
    if store_dir:
        return LocalEntitlementClient(store_dir, product=product, target=target, timeout_s=timeout_s, policy=policy)
    return EntitlementClient(target, product=product, timeout_s=timeout_s, policy=policy)


def open_async_client(
    product: str,
    target: str | None = None,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    policy: ReplyPolicy | None = None,
    environ: Mapping[str, str] = os.environ,
) -> AsyncEntitlementClient:
    """Return the asynchronous client of the same choice as `open_client`."""
    store_dir = environ.get(STORE_VARIABLE)
    if store_dir:
        return AsyncLocalEntitlementClient(
            store_dir, product=product, target=target, timeout_s=timeout_s, policy=policy
        )
    return AsyncEntitlementClient(target, product=product, timeout_s=timeout_s, policy=policy)
