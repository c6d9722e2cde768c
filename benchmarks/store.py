"""What the policy store costs: file size, load, verification, reads, changes. Prints one JSON document.

    python benchmarks/store.py [--customers 100000] [--features 20] [--directory DIR]

The set: one product with FEATURES features, three plan versions, and CUSTOMERS customers with two attributes, a subscription (plan and
add-on, a trial span and an active span) and, every tenth, an override. Figures are medians of repeated runs in this one process.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import lmdb

from benchmarks.result import machine, write
from entitlements.policy.digest import digest_of, sum_records, sum_replace
from entitlements.policy.ids import CustomerId, FeatureKey, Millis, PlanRef, ProductId, RecordKey
from entitlements.policy.model import (
    AccessLevel,
    CombineRule,
    Customer,
    Feature,
    FeatureKind,
    Override,
    OverrideEffect,
    PlanEntitlement,
    PlanVersion,
    Span,
    Subscription,
    SubscriptionItem,
    SubscriptionState,
    ValueType,
    Window,
)
from entitlements.store.layout import environment_path
from entitlements.store.reader import StoreReader
from entitlements.store.rehash import verify_digest
from entitlements.store.writer import StoreWriter
from entitlements.wire import codec
from entitlements.wire.envelope import FeedDelta, RecordChange, build_delta, build_manifest, read_body
from entitlements.wire.feed_messages import FeedManifest

DAY = 86_400_000
START = 1_700_000_000_000
PRODUCT = ProductId("suite")
EPOCH = 1_750_000_000


def customer(number: int, features: int) -> Customer:
    """Return one realistic customer."""
    start = Millis(START + number % 365 * DAY)
    end = Millis(start + 14 * DAY)
    overrides: tuple[Override, ...] = ()
    if number % 10 == 0:
        feature = FeatureKey(f"feature-{number % features:02}")
        overrides = (Override(f"ovr-{number}", feature, OverrideEffect.ALLOW, 50, Window(start, None)),)
    return Customer(
        id=CustomerId(f"cus_{number:08}"),
        attributes={"region": ("eu", "us", "apac")[number % 3], "segment": ("smb", "enterprise")[number % 2]},
        subscriptions=(
            Subscription(
                f"sub_{number:08}",
                (
                    SubscriptionItem(PlanRef(f"plan-{number % 3}@1"), 1, Window(start, None)),
                    SubscriptionItem(PlanRef("extra@1"), 1 + number % 5, Window(end, None)),
                ),
                (
                    Span(SubscriptionState.TRIALING, AccessLevel.FULL, Window(start, end)),
                    Span(SubscriptionState.ACTIVE, AccessLevel.FULL, Window(end, None)),
                ),
            ),
        ),
        overrides=overrides,
    )


def policy_set(customers: int, features: int) -> list[tuple[str, bytes]]:
    """Return the whole set as encoded records, sorted by key."""
    keys = [FeatureKey(f"feature-{number:02}") for number in range(features)]
    records: list[codec.Record] = [
        Feature(key, PRODUCT, FeatureKind.CONFIG, value_type=ValueType.INT, combine=CombineRule.MAX, default_value=1)
        for key in keys
    ]
    records += [
        PlanVersion(plan, 1, PRODUCT, plan == "extra", {key: PlanEntitlement(key, 10) for key in keys})
        for plan in ("plan-0", "plan-1", "plan-2", "extra")
    ]
    encoded = {codec.record_key(record): codec.record_to_bytes(record) for record in records}
    for number in range(customers):
        record = customer(number, features)
        encoded[codec.record_key(record)] = codec.customer_to_bytes(record)
    return sorted((str(key), body) for key, body in encoded.items())


def manifest_of(records: list[tuple[str, bytes]], epoch: int) -> FeedManifest:
    """Return an honest manifest."""
    digest = digest_of(sum_records(records))
    manifest = read_body(build_manifest(PRODUCT, epoch, 0, bytes(32), digest, START, len(records), []))
    assert isinstance(manifest, FeedManifest)  # noqa: S101
    return manifest


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds a piece of work takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def micro(work: Callable[[], object], number: int = 20_000) -> float:
    """Return the median microseconds of one call over seven runs."""
    work()
    return round(statistics.median(timeit.repeat(work, number=number, repeat=7)) / number * 1e6, 3)


def measure_writing(directory: Path, records: list[tuple[str, bytes]]) -> dict[str, object]:
    """Load the set twice, then change single customers, in fresh transactions each."""
    data = environment_path(directory) / "data.mdb"
    with StoreWriter(directory, 1 << 30, "boot") as writer:
        first = timed(lambda: writer.replace(records, manifest_of(records, EPOCH), b"e" * 600))
        writer.sync()
        size = data.stat().st_size
        manifest = manifest_of(records, EPOCH + 1)
        again = timed(lambda: writer.replace(records, manifest, b"e" * 600))
        twice = data.stat().st_size
        chain, total, applied = bytes(32), writer.digest_sum, []
        current = dict(records)
        customers = [key for key, _ in records if key.startswith("c/")]
        for seq in range(1, 1001):
            key = customers[seq * 37 % len(customers)]
            body = current[key] + b"\xfa\x3f\x01" + bytes([seq % 7])
            total = sum_replace(total, key, current[key], body)
            current[key] = body
            built = build_delta(
                PRODUCT,
                EPOCH + 1,
                seq,
                chain,
                [RecordChange(RecordKey(key), body)],
                digest_of(total),
                START + seq,
            )
            delta = read_body(built.body)
            assert isinstance(delta, FeedDelta)  # noqa: S101
            chain = built.chain
            applied.append(timed(lambda delta=delta: writer.apply([delta], b"e" * 600)))  # type: ignore[misc]
        pulse = micro(lambda: writer.pulse(START, START, 1), 500)
        sync = timed(writer.sync)
        return {
            "file_bytes_after_load": size,
            "file_bytes_after_second_load": twice,
            "file_bytes_per_customer": round(size / len(customers), 1),
            "mean_body_bytes": round(
                sum(len(body) for key, body in records if key.startswith("c/")) / len(customers), 1
            ),
            "replace_s": round(first, 3),
            "second_replace_s": round(again, 3),
            "apply_us_p50": round(statistics.median(applied) * 1e6, 1),
            "apply_us_p99": round(sorted(applied)[989] * 1e6, 1),
            "pulse_us": pulse,
            "sync_after_1000_changes_s": round(sync, 4),
        }


def measure_reading(directory: Path) -> dict[str, object]:
    """Verify the set, then read from it as a serving process does."""
    rehash = [timed(lambda: verify_digest(directory)) for _ in range(3)]
    reader = StoreReader(directory)

    def view_and_state() -> None:
        with reader.view() as view:
            view.state()

    def view_and_versions() -> None:
        with reader.view() as view:
            view.state()
            view.version_of("f/feature-07")
            view.version_of("c/cus_00000042")

    def view_and_body() -> None:
        with reader.view() as view:
            view.get("c/cus_00000042")

    def view_and_verified_body() -> None:
        with reader.view() as view:
            view.body_of("c/cus_00000042")

    with reader.view() as view:
        body = view.body_of("c/cus_00000042") or b""
    result: dict[str, object] = {
        "rehash_s": round(statistics.median(rehash), 3),
        "view_and_state_us": micro(view_and_state),
        "view_state_two_versions_us": micro(view_and_versions),
        "view_and_get_us": micro(view_and_body),
        "view_and_verified_body_us": micro(view_and_verified_body),
        "decode_customer_us": micro(lambda: codec.customer_from_bytes(body), 5000),
    }
    reader.close()
    return result


def environment() -> dict[str, object]:
    """Return what the figures depend on beside the machine: LMDB's version, and a fixed spin to compare runs by."""
    spin = statistics.median(timeit.repeat("sum(range(1000))", number=2000, repeat=5)) / 2000 * 1e6
    return {"lmdb": ".".join(str(part) for part in lmdb.version()), "spin_us": round(spin, 2)}


def main(argv: list[str]) -> int:
    """Measure, print and write."""
    on = machine()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--directory", type=Path, help="where to put the store; default: a temporary directory")
    options = parser.parse_args(argv)
    directory = options.directory or Path(tempfile.mkdtemp(prefix="store-bench-"))
    try:
        begin = time.perf_counter()
        records = policy_set(options.customers, options.features)
        encoding_us = round((time.perf_counter() - begin) / len(records) * 1e6, 1)
        report = {
            **environment(),
            "customers": options.customers,
            "features": options.features,
            "records": len(records),
            "build_and_encode_us_per_record": encoding_us,
            **measure_writing(directory, records),
            **measure_reading(directory),
        }
    finally:
        if options.directory is None:
            shutil.rmtree(directory, ignore_errors=True)
    print(json.dumps(report, indent=2))
    print(f"written {write('store', (__doc__ or '').strip(), report, on)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
