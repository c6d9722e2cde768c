"""A feed of many customers over a real Valkey, with the churn that a benchmark asks for: a process of its own, so that it disturbs nobody.

    python -m benchmarks.feed_source REDIS_URL CUSTOMERS

Writes the pinned root key, as text, then a line with the word `done` after each order on standard input: `sign COUNT` makes deltas of one
customer each, `deltas RATE` publishes them one by one, `prepare` packs a snapshot of the present set as a new epoch, and `resync` publishes that, so
that every sidecar takes all of it. What takes time is done before the clock runs. A heartbeat goes out each second throughout. No verdict
ever changes: only an attribute of a customer does, that no rule asks for.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import replace
from typing import Final

from benchmarks import world
from control.publishing.redis_log import Answer, Entry
from entitlements.policy.digest import digest_of, sum_records, sum_replace
from entitlements.policy.ids import RecordKey, Seq
from entitlements.wire import codec
from entitlements.wire.envelope import RecordChange, build_delta, build_nudge, sign
from tests.support.feed_publisher import KEEP_ALL, FeedPublisher

BEAT_S: Final = 1.0
STRIDE: Final = 7_919
"""A prime: customers are changed in an order that visits all of them."""


class Source(FeedPublisher):
    """The publisher of tests, but for a digest that is carried along instead of computed anew."""

    def __init__(self, redis_url: str, customers: int) -> None:
        """Hold the set; nothing is published."""
        self.total = self.published = 0
        self.now_ms = time.time_ns() // 1_000_000
        self.customers = customers
        self.changes = 0
        self.lock = threading.RLock()
        super().__init__(world.PRODUCT, redis_url)
        self.records = dict(world.bodies(customers, self.now_ms))
        self.total = sum_records(self.records.items())
        self.published = self.total
        self.begin_epoch(self.epoch)
        self.signed: list[tuple[Entry, int]] = []
        self.prepared: tuple[bytes, list[bytes]] | None = None

    @property
    def digest(self) -> bytes:
        """Return the digest of what is published."""
        return digest_of(self.published)

    def change(self) -> None:
        """Sign the next delta: an attribute of one customer."""
        self.changes += 1
        customer = world.customer(self.changes * STRIDE % self.customers, self.now_ms)
        attributes = {**customer.attributes, "visits": str(self.changes)}
        changed = replace(customer, attributes=attributes)
        key, body = codec.record_key(changed), codec.customer_to_bytes(changed)
        self.total = sum_replace(self.total, key, self.records[key], body)
        self.records[key] = body
        seq, chain = (
            (self.signed[-1][0].seq, self.signed[-1][0].chain) if self.signed else (self.head.seq, self.head.chain)
        )
        made = build_delta(
            self.feed,
            self.epoch,
            seq + 1,
            chain,
            [RecordChange(RecordKey(key), body)],
            digest_of(self.total),
            time.time_ns() // 1_000_000,
        )
        self.signed.append((Entry(Seq(seq + 1), made.chain, sign(made.body, self.policy)), self.total))

    def deltas(self, rate: int) -> None:
        """Publish what was signed, one by one, each at its own instant."""
        signed, self.signed = self.signed, []
        nudge = sign(build_nudge(self.feed, self.epoch, self.head.seq, time.time_ns() // 1_000_000), self.heart)
        began = time.monotonic()
        for number, (entry, total) in enumerate(signed):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            with self.lock:
                answers = self.log.append(self.feed, self.epoch, [entry], KEEP_ALL, nudge)
                self.entries.append(entry)
                self.published = total
            if list(answers) != [Answer.DONE]:
                raise SystemExit(f"delta {entry.seq} was not taken: {answers}")

    def prepare(self) -> None:
        """Begin a new epoch at the present set and pack its snapshot; nobody hears of it."""
        with self.lock:
            self.begin_epoch()
            self.prepared = super().packed()

    def packed(self) -> tuple[bytes, list[bytes]]:
        """Return the prepared snapshot if there is one."""
        prepared, self.prepared = self.prepared, None
        return super().packed() if prepared is None else prepared

    def resync(self) -> None:
        """Publish the new epoch."""
        with self.lock:
            self.refill()
            self.beat()


def main(argv: list[str]) -> int:
    """Obey until the end of the input."""
    source = Source(argv[0], int(argv[1]))
    source.refill()
    quiet = threading.Event()

    def beat() -> None:
        while not quiet.wait(BEAT_S):
            with source.lock:
                if source.prepared is None:
                    source.beat()

    threading.Thread(target=beat, daemon=True).start()
    print(source.root.public.hex(), flush=True)
    for line in sys.stdin:
        order, *arguments = line.split()
        if order == "sign":
            for _ in range(int(arguments[0])):
                source.change()
        elif order == "deltas":
            source.deltas(int(arguments[0]))
        elif order == "prepare":
            source.prepare()
        else:
            source.resync()
        print("done", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
