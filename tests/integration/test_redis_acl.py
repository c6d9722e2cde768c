"""The access control list that we ship, on a real server: each user can do its work, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from control.publishing.key_files import KeyFiles
from entitlements.wire import names
from tests.support.publishing import EPOCH, Office, Vendor, open_store
from tests.support.valkey import ValkeyServer, running_valkey

TEMPLATE = Path(__file__).resolve().parents[2] / "examples" / "redis" / "users.acl"
FEED = "suite"
Command = tuple[str | int | bytes, ...]

LOG, HEAD, KEYS, CHANNEL = names.log_key(FEED), names.head_key(FEED), names.key_set_key(FEED), names.channel(FEED)
MANIFEST = names.snapshot_manifest_key(FEED, EPOCH, 3)
CATALOGUE = names.catalogue_manifest_key(FEED, EPOCH, 3)
CUSTOMER = names.customer_key(FEED, "000001")
OTHER = "insight"

SIDECAR_MAY: list[Command] = [
    ("PING",),
    ("XRANGE", LOG, f"({EPOCH}-1", "+", "COUNT", 500),
    ("HMGET", HEAD, "e", "s", "min"),
    ("HMGET", HEAD, "e", "snap"),
    ("GET", MANIFEST),
    ("HMGET", HEAD, "e", "cat"),
    ("GET", CATALOGUE),
    ("GET", CUSTOMER),
    ("GET", KEYS),
    ("SUBSCRIBE", CHANNEL),
]
SIDECAR_MAY_NOT: list[Command] = [
    ("XADD", LOG, f"{EPOCH}-4", "d", "forged"),
    ("XDEL", LOG, f"{EPOCH}-1"),
    ("XTRIM", LOG, "MAXLEN", 0),
    ("DEL", LOG),
    ("HSET", HEAD, "s", 9),
    ("SET", KEYS, "forged"),
    ("SET", MANIFEST, "forged"),
    ("SET", CUSTOMER, "forged"),
    ("SET", CATALOGUE, "forged"),
    ("EXPIRE", MANIFEST, 1),
    ("PUBLISH", CHANNEL, "forged"),
    ("SPUBLISH", CHANNEL, "forged"),
    ("EVAL", "return 1", 0),
    ("SCRIPT", "LOAD", "return 1"),
    ("XRANGE", names.log_key(OTHER), "-", "+"),
    ("HMGET", names.head_key(OTHER), "e"),
    ("GET", names.key_set_key(OTHER)),
    ("GET", names.customer_key(OTHER, "000001")),
    ("SUBSCRIBE", names.channel(OTHER)),
    ("PSUBSCRIBE", "*"),
    ("KEYS", "*"),
    ("SCAN", 0),
    ("CONFIG", "GET", "*"),
    ("INFO",),
    ("FLUSHALL",),
    ("MONITOR",),
    ("CLIENT", "LIST"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("ACL", "LIST"),
    ("SHUTDOWN",),
    ("SLOWLOG", "GET"),
]
PUBLISHER_MAY_NOT: list[Command] = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"),
    ("KEYS", "*"),
    ("SCAN", 0),
    ("MONITOR",),
    ("SHUTDOWN",),
    ("ACL", "SETUSER", "x"),
    ("SUBSCRIBE", CHANNEL),
    ("SET", "elsewhere", "x"),
    ("PUBLISH", "elsewhere", "x"),
    ("EVAL", "return redis.call('SET', KEYS[1], 'x')", 1, LOG),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Run a server with our template, as it is shipped."""
    folder = tmp_path_factory.mktemp("valkey")
    (folder / "users.acl").write_text(TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
    with running_valkey(folder, "--aclfile", str(folder / "users.acl")) as running:
        yield running


@pytest.fixture(scope="module")
def office(server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Run the real publisher as its user, and publish three changes of two products."""
    folder = tmp_path_factory.mktemp("control")
    store = open_store(f"sqlite:///{folder / 'control.db'}")
    KeyFiles(folder / "keys").initialise()
    made = Office(store, folder / "keys", url(server, "publisher", "CHANGE-ME-publisher"))
    for feed in (FEED, OTHER):
        Vendor(store, feed).commit(3)
    made.turn()
    made.turn(15 * 60_000)
    made.side.proofs.prove(FEED, ["000001"])
    made.side.proofs.deposit()
    yield made
    made.close()
    store.engine.dispose()


def url(server: ValkeyServer, user: str, password: str) -> str:
    """Return the address with a user."""
    return f"unix://{user}@{server.socket_path}?password={password}"


Dial = Callable[[str], redis.Redis]


@pytest.fixture
def dial(server: ValkeyServer) -> Iterator[Dial]:
    """Log in as a user of the template."""
    clients: list[redis.Redis] = []

    def call(user: str) -> redis.Redis:
        password = {"publisher": "CHANGE-ME-publisher", "sidecar-suite": "CHANGE-ME-suite"}[user]
        clients.append(redis.Redis.from_url(url(server, user, password)))
        return clients[-1]

    yield call
    for client in clients:
        client.close()


def test_the_publisher_can_do_its_work(office: Office, dial: Dial) -> None:
    """Log, head, snapshot and key set of both products are there, written by the restricted user."""
    assert office.publisher.redis_problem is None
    assert office.value("entitlements_publisher_redis_errors_total") == 0
    for feed in (FEED, OTHER):
        assert office.value("entitlements_deltas_published_total", feed=feed) == 3
        assert office.value("entitlements_snapshots_total", feed=feed, outcome="stored") == 1
    found: Any = dial("sidecar-suite").xrange(LOG)
    assert len(found) == 3


@pytest.mark.parametrize("command", SIDECAR_MAY, ids=lambda command: " ".join(map(str, command)))
def test_a_sidecar_can_follow(office: Office, dial: Dial, command: Command) -> None:
    """Everything that the feed reads is open to it, and answers with content."""
    assert office.publisher.redis_problem is None
    client = dial("sidecar-suite")
    if command[0] == "SUBSCRIBE":
        listener: Any = client.pubsub()  # type: ignore[no-untyped-call]
        listener.subscribe(command[1])
        assert listener.get_message(timeout=5)["type"] == "subscribe"
        listener.close()
    else:
        assert client.execute_command(*command)  # type: ignore[no-untyped-call]


def refused(client: redis.Redis, command: Command) -> bool:
    """Tell whether the server refuses a command for lack of permission."""
    try:
        if command[0] in {"SUBSCRIBE", "PSUBSCRIBE"}:
            listener: Any = client.pubsub()  # type: ignore[no-untyped-call]
            listener.execute_command(*command)
            listener.parse_response()
        else:
            client.execute_command(*command)  # type: ignore[no-untyped-call]
    except redis.exceptions.NoPermissionError:
        return True
    return False


@pytest.mark.parametrize("command", SIDECAR_MAY_NOT, ids=lambda command: " ".join(map(str, command)))
def test_a_sidecar_cannot_write_or_look_elsewhere(office: Office, dial: Dial, command: Command) -> None:
    """A stolen sidecar password reads one product's feed, and that is all."""
    assert office.publisher.redis_problem is None
    assert refused(dial("sidecar-suite"), command)


@pytest.mark.parametrize("command", PUBLISHER_MAY_NOT, ids=lambda command: " ".join(map(str, command)))
def test_the_publisher_cannot_run_the_server(office: Office, dial: Dial, command: Command) -> None:
    """It writes feeds; it neither empties nor configures the server, and reaches no key outside of feeds."""
    assert office.publisher.redis_problem is None
    assert refused(dial("publisher"), command)


def test_a_script_reaches_no_key_that_its_user_does_not(office: Office, dial: Dial) -> None:
    """Lua runs with the rights of who calls it."""
    assert office.publisher.redis_problem is None
    client = dial("publisher")
    sha: Any = client.script_load("return redis.call('SET', 'elsewhere', 'x')")
    with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)acl|permission|NOPERM"):
        client.evalsha(sha, 0)


def test_nobody_logs_in_by_default(server: ValkeyServer) -> None:
    """Without user and password the server answers nothing."""
    client = redis.Redis.from_url(server.url)
    with pytest.raises(redis.exceptions.AuthenticationError):
        client.get(KEYS)
    client.close()
