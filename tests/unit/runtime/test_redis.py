"""Redis addresses are checked before use, and no client waits without bound."""

import pytest

from entitlements.runtime.redis import TIMEOUT_S, RedisUrlError, Role, check_url, connect, connect_sync


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:6379/0",
        "redis://user:secret@localhost:6379/0",
        "rediss://user:secret@redis.example:6380/0",
        "unix:///run/redis.sock?password=secret",
        "unix://user@/run/redis.sock?password=secret",
    ],
)
def test_accepts_every_documented_form(url: str) -> None:
    """What the docstring lists can be used."""
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url, words",
    [
        ("", "must start with"),
        ("localhost:6379", "must start with"),
        ("http://localhost", "must start with"),
        ("unix://", "must name a socket"),
        ("redis://", "must name a host"),
        ("redis://:hunter2@host:port", "cannot be read"),
    ],
)
def test_refuses_the_rest_and_shows_no_password(url: str, words: str) -> None:
    """The error says what to write and never repeats a secret."""
    with pytest.raises(RedisUrlError, match=words) as caught:
        connect(url)
    assert "hunter2" not in str(caught.value)


def test_clients_are_bounded_and_try_once() -> None:
    """Each role has its own small pool, one second of patience and no hidden retries."""
    for role in Role:
        for client in (connect("redis://localhost", role), connect_sync("redis://localhost", role)):
            pool = client.connection_pool
            options = pool.connection_kwargs
            assert (options["socket_timeout"], options["socket_connect_timeout"]) == (TIMEOUT_S, TIMEOUT_S)
            assert options["retry"].get_retries() == 0
            assert pool.max_connections == role.connections
