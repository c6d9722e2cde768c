"""A feed's log in Redis: the scripts that write it, and the few reads that a publisher needs.

Correctness lies in the scripts (`lua/`), not in who calls them: ids are `epoch-seq`, so what a stalled or second
publisher sends is a duplicate or is fenced. Every failure of Redis leaves here as `LogUnavailableError`.
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from importlib.resources import files
from typing import Any, Final, TypeVar

import redis

from control.domain.publishing import LogState, Position
from control.metrics import BREAKER_STATE, REDIS_ERRORS
from entitlements.policy.ids import Epoch, Seq
from entitlements.runtime.breaker import Breaker, BreakerOpen, BreakerState
from entitlements.runtime.clock import Clock
from entitlements.runtime.metrics import Meters
from entitlements.runtime.redis import Role, connect_sync
from entitlements.runtime.retry import Backoff, Retry
from entitlements.wire import names

SNAPSHOT_TTL_S: Final = 86_400
PREVIOUS_SNAPSHOT_TTL_S: Final = 600
CATALOGUE_TTL_S: Final = 7_200
"""Stored anew with each upkeep of the snapshots, four times an hour."""
CUSTOMER_TTL_S: Final = 300
BROADCAST_LIMIT_BYTES: Final = 8 * 1024
FAIL_MAX: Final = 3
RESET_S: Final = 1.0
BATCH_BYTES: Final = 1 << 20
"""A batch of appends is cut here, so one slow link never holds more than this in a socket buffer."""


T = TypeVar("T")


class LogUnavailableError(Exception):
    """Redis could not be reached, refused the call, or answered nonsense."""


class ForeignLogError(Exception):
    """What lies under a feed's names was not written by a publisher, or may not be read: one feed's trouble."""


class Answer(IntEnum):
    """What a script says; the texts beside the scripts define them."""

    DONE = 1
    DUPLICATE = 0
    FENCED = -2
    GAP = -3
    NO_HEAD = -4
    OLDER_EPOCH = -5
    CHANGED = -6


@dataclass(frozen=True, slots=True)
class Entry:
    """A signed delta on its way into the log."""

    seq: Seq
    chain: bytes
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the name under which Redis caches it."""

    text: str
    sha1: str

    @classmethod
    def named(cls, name: str) -> Script:
        """Read a script that is shipped beside this module."""
        text = files("control.publishing").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class RedisLog:
    """The publisher's side of all feeds in one Redis; safe for many threads."""

    def __init__(self, client: redis.Redis, clock: Clock, meters: Meters) -> None:
        """Use a client that returns bytes and has timeouts set; no call is made yet."""
        self._client = client
        self._meters = meters
        meters.gauge(BREAKER_STATE, "redis").set(BreakerState.CLOSED)
        self._breaker = Breaker(
            "redis",
            clock,
            FAIL_MAX,
            # Several publishers that lost one Redis do not come back in step.
            RESET_S * random.uniform(0.8, 1.2),  # noqa: S311 - jitter, not a secret
            on_state=meters.gauge(BREAKER_STATE, "redis").set,
            answers=(redis.ResponseError,),
        )
        # Every call may be repeated: the scripts refuse what they have done already.
        self._retry = Retry(2, Backoff(0.02, 0.1), (redis.ConnectionError, redis.TimeoutError), random.random)
        self._publish = Script.named("publish")
        self._reset = Script.named("reset")
        self._point = Script.named("snapshot")

    @classmethod
    def at(cls, url: str, clock: Clock, meters: Meters) -> RedisLog:
        """Use the Redis at an address; RedisUrlError when it is not one."""
        return cls(connect_sync(url, Role.PUBLISHER), clock, meters)

    @property
    def breaker(self) -> Breaker:
        """Return the breaker of this Redis, for status pages."""
        return self._breaker

    def eviction_policy(self) -> str:
        """Return the server's maxmemory-policy; anything but `noeviction` may silently drop parts of a log."""
        memory: Any = self._call(lambda: self._client.info("memory"))
        return str(memory.get("maxmemory_policy", "unknown"))

    def state(self, feed: str) -> LogState | None:
        """Return the head and length of a feed's log; None when there is no head. ForeignLogError: it is not one of ours."""

        def read() -> Any:
            pipeline = self._client.pipeline(transaction=False)
            pipeline.hmget(names.head_key(feed), ["e", "s", "c", "min", "snap"])
            pipeline.xlen(names.log_key(feed))
            return pipeline.execute(raise_on_error=False)

        found, length = self._call(read)
        if isinstance(found, redis.ResponseError) or isinstance(length, redis.ResponseError):
            raise ForeignLogError(f"the head or log of {feed!r} cannot be read: {found!r}, {length!r}")
        epoch, seq, chain, low, snapshot = found
        if epoch is None:
            return None
        try:
            head = Position(Epoch(int(epoch)), Seq(int(seq)), bytes.fromhex(chain.decode()))
            return LogState(head, Seq(int(low)), None if snapshot is None else Seq(int(snapshot)), int(length))
        except (TypeError, ValueError, AttributeError) as error:
            raise ForeignLogError(f"the head of {feed!r} is not one of ours ({error}); delete it") from error

    def entry(self, feed: str, epoch: Epoch, seq: Seq) -> bytes | None:
        """Return the envelope stored under an id; None when the log has none."""
        wanted = f"{epoch}-{seq}"
        found: Any = self._call(lambda: self._client.xrange(names.log_key(feed), wanted, wanted))
        return bytes(found[0][1][b"d"]) if found and b"d" in found[0][1] else None

    def manifest(self, feed: str, epoch: Epoch, seq: Seq) -> bytes | None:
        """Return the manifest of a stored snapshot; None when there is none."""
        found: Any = self._call(lambda: self._client.get(names.snapshot_manifest_key(feed, epoch, seq)))
        return None if found is None else bytes(found)

    def reset(self, feed: str, base: Position, seen: Seq | None) -> Answer:
        """Start a log anew after `base`; `seen` is the head's seq in the same epoch as the caller saw it."""
        arguments = [base.epoch, base.seq, base.chain.hex(), base.seq + 1, "" if seen is None else seen]
        (answer,) = self._run(self._reset, (names.log_key(feed), names.head_key(feed)), [arguments])
        return answer

    def append(self, feed: str, epoch: Epoch, entries: Sequence[Entry], keep_from: Seq, nudge: bytes) -> list[Answer]:
        """Append deltas in order and ring the channel for each; one answer for each.

        An envelope over 8 KiB is announced by `nudge` instead of being broadcast.
        """
        keys = (names.log_key(feed), names.head_key(feed))
        answers: list[Answer] = []
        batch: list[list[Any]] = []
        size = 0
        for entry in entries:
            said = entry.envelope if len(entry.envelope) <= BROADCAST_LIMIT_BYTES else nudge
            batch.append([epoch, entry.seq, entry.envelope, entry.chain.hex(), keep_from, names.channel(feed), said])
            size += len(entry.envelope)
            if size >= BATCH_BYTES:
                answers += self._run(self._publish, keys, batch)
                batch, size = [], 0
                if answers[-1] not in {Answer.DONE, Answer.DUPLICATE}:
                    return answers
        return answers + (self._run(self._publish, keys, batch) if batch else [])

    def broadcast(self, feed: str, envelope: bytes) -> int:
        """Send a heartbeat to whoever listens; returns the number of listeners."""
        listeners: Any = self._call(lambda: self._client.publish(names.channel(feed), envelope))
        return int(listeners)

    def put_key_set(self, feed: str, key_set: bytes) -> None:
        """Store the root-signed key set."""
        self._call(lambda: self._client.set(names.key_set_key(feed), key_set))

    def put_snapshot(self, feed: str, at: Position, manifest: bytes, chunks: Sequence[bytes]) -> Answer:
        """Store a snapshot, chunks before the manifest, then point the head at it; the one before expires in 10 minutes."""
        parts = [
            *((names.snapshot_chunk_key(feed, at.epoch, at.seq, index), chunk) for index, chunk in enumerate(chunks)),
            (names.snapshot_manifest_key(feed, at.epoch, at.seq), manifest),
        ]
        for name, content in parts:
            self._call(functools.partial(self._client.set, name, content, ex=SNAPSHOT_TTL_S))
        (answer,) = self._run(self._point, (names.head_key(feed),), [[at.epoch, at.seq, "snap"]])
        return answer

    def put_catalogue(self, feed: str, at: Position, manifest: bytes, chunks: Sequence[bytes]) -> Answer:
        """Store the catalogue alone, for sidecars that hold a working set, then point the head at it."""
        for index, chunk in enumerate(chunks):
            name = names.catalogue_chunk_key(feed, at.epoch, at.seq, index)
            self._call(functools.partial(self._client.set, name, chunk, ex=CATALOGUE_TTL_S))
        name = names.catalogue_manifest_key(feed, at.epoch, at.seq)
        self._call(functools.partial(self._client.set, name, manifest, ex=CATALOGUE_TTL_S))
        (answer,) = self._run(self._point, (names.head_key(feed),), [[at.epoch, at.seq, "cat"]])
        return answer

    def put_customers(self, feed: str, proofs: Sequence[tuple[str, bytes]]) -> None:
        """Leave proofs of customers where other sidecars look first; they go by themselves."""

        def store() -> None:
            pipeline = self._client.pipeline(transaction=False)
            for customer, envelope in proofs:
                pipeline.set(names.customer_key(feed, customer), envelope, ex=CUSTOMER_TTL_S)
            pipeline.execute()

        self._call(store)

    def keep_snapshot(self, feed: str, epoch: Epoch, seq: Seq, chunks: int, ttl_s: int = SNAPSHOT_TTL_S) -> bool:
        """Set the time to live of a stored snapshot; False when a part of it is gone."""

        def touch() -> Any:
            pipeline = self._client.pipeline(transaction=False)
            pipeline.expire(names.snapshot_manifest_key(feed, epoch, seq), ttl_s)
            for index in range(chunks):
                pipeline.expire(names.snapshot_chunk_key(feed, epoch, seq, index), ttl_s)
            return pipeline.execute()

        return all(self._call(touch))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _run(self, script: Script, keys: Sequence[str], calls: Sequence[Sequence[Any]]) -> list[Answer]:
        """Run a script for each call in one round trip; a Redis that does not know the script yet is taught it."""

        def evaluate() -> list[Any]:
            pipeline = self._client.pipeline(transaction=False)
            for call in calls:
                pipeline.evalsha(script.sha1, len(keys), *keys, *call)
            return list(pipeline.execute(raise_on_error=False))

        def run() -> list[Answer]:
            results = evaluate()
            if any(isinstance(result, redis.exceptions.NoScriptError) for result in results):
                self._client.script_load(script.text)
                results = evaluate()
            for result in results:
                if isinstance(result, Exception):
                    raise result
            return [Answer(int(result[0])) for result in results]

        return self._call(run)

    def _call(self, use: Callable[[], T]) -> T:
        """Call Redis under the breaker, once more after a broken connection; every failure becomes LogUnavailableError."""

        def attempt() -> T:
            with self._breaker.calling_sync():
                return use()

        try:
            return self._retry.run_sync(attempt)
        except BreakerOpen as error:
            raise LogUnavailableError(str(error)) from error
        except (redis.RedisError, OSError) as error:
            self._meters.counter(REDIS_ERRORS).inc()
            raise LogUnavailableError(f"{type(error).__name__}: {error}") from error

    def __repr__(self) -> str:
        """Show the state of the connection."""
        return f"<RedisLog [{self._breaker!r}]>"
