"""Makes Redis clients whose every call is bounded in time and tried once.

redis-py's defaults try a command ten times with pauses, which hides an outage for seconds; whoever calls here has a breaker, a retry
rule or a reconnect loop of its own. Each role gets a client, so a stalled subscription never holds up a command.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry as SyncRetry

TIMEOUT_S: Final = 1.0
"""Longest time for a connection to open or for one answer, in seconds."""
_SCHEMES: Final = ("redis", "rediss", "unix")


class Role(Enum):
    """What a client is for: its name at the server and how many connections it may hold."""

    SUBSCRIBER = ("subscriber", 1)
    """One subscription, with nothing else on the connection."""
    COMMANDS = ("commands", 4)
    """Short commands, each answered at once."""
    PUBLISHER = ("publisher", 8)
    """The control plane's side."""

    @property
    def label(self) -> str:
        """Return the name under which the server lists the client."""
        return self.value[0]

    @property
    def connections(self) -> int:
        """Return how many connections the client may open."""
        return self.value[1]


class RedisUrlError(ValueError):
    """A Redis address is not usable; the text says why and what to write, and never shows a password."""


def check_url(url: str) -> str:
    """Return the address unchanged, or raise RedisUrlError when it is not of a known form.

    Forms: `redis://[user:password@]host:port/0`, `rediss://` with the same parts for TLS, `unix://[user@]/path/to.sock?password=...`.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise RedisUrlError(f"the Redis address cannot be read ({error}); write redis://host:port/0") from None
    if parts.scheme not in _SCHEMES:
        raise RedisUrlError("the Redis address must start with redis://, rediss:// or unix://")
    if parts.scheme == "unix" and not parts.path:
        raise RedisUrlError("a unix:// Redis address must name a socket; write unix:///path/to/redis.sock")
    if parts.scheme != "unix" and not parts.hostname:
        raise RedisUrlError(f"a {parts.scheme}:// Redis address must name a host; write {parts.scheme}://host:port/0")
    return url


def connect(url: str, role: Role = Role.COMMANDS) -> redis.asyncio.Redis:
    """Return an asynchronous client; nothing is opened before its first call. RedisUrlError when the address is not usable."""
    return redis.asyncio.Redis.from_url(check_url(url), retry=AsyncRetry(NoBackoff(), 0), **_options(role))


def connect_sync(url: str, role: Role = Role.PUBLISHER) -> redis.Redis:
    """Return a synchronous client, safe for many threads; otherwise as `connect`."""
    return redis.Redis.from_url(check_url(url), retry=SyncRetry(NoBackoff(), 0), **_options(role))


def _options(role: Role) -> dict[str, Any]:
    return {
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        "max_connections": role.connections,
        "client_name": f"entitlements-{role.label}",
        # The feed has its own heartbeat timer; redis-py's health check does not notice a half-open connection anyway.
        "health_check_interval": 0,
        # Announcements of a vendor's managed service; asking for them is a command that a narrow ACL refuses.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
