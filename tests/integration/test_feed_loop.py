"""One sidecar's feed on a real Valkey and a small FeedService: what arrives is applied, what is lost is healed, what is forged is refused."""

import asyncio
import json
import random
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from entitlements.policy.feed_state_value import Link, Phase
from entitlements.runtime.breaker import BreakerState
from entitlements.store.floor import read_floor
from entitlements.store.layout import DATA_FILE, environment_path
from entitlements.v1.feed_service_pb2 import FEED_STATE_FORKED
from entitlements.wire.envelope import SigningKeyPair
from sidecar.feed import verify
from tests.support.feed_publisher import FeedPublisher
from tests.support.feed_scene import FEED, Scene
from tests.support.valkey import ValkeyServer, running_valkey


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """Run a Valkey that the test may kill."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    with running_valkey(folder) as server:
        yield server


@pytest.fixture
async def scene(tmp_path: Path, valkey: ValkeyServer) -> AsyncIterator[Scene]:
    """Set a scene with three customers."""
    made = Scene(tmp_path, valkey)
    made.publisher.commit("acme", "globex")
    made.publisher.commit("initech")
    made.publisher.refill()
    yield made
    await made.close()


async def test_begins_with_a_snapshot_and_follows_live(scene: Scene) -> None:
    """From nothing by a snapshot; then every delta straight from the bus, without one look into the log."""
    await scene.follow()
    await scene.until(scene.at_head)
    for number in range(50):
        scene.publisher.commit(f"customer-{number}")
        scene.publisher.publish()
    await scene.until(scene.at_head)
    assert (scene.applied("WRITE_REPLACED"), scene.applied("DELTA_NEXT"), scene.applied("RANGE_NEXT")) == (1, 50, 0)


async def test_an_empty_set_is_a_valid_one(tmp_path: Path, valkey: ValkeyServer) -> None:
    """A product without customers is loaded, not unloaded."""
    scene = Scene(tmp_path, valkey)
    await scene.follow()
    await scene.until(scene.at_head)
    assert scene.records() == {}
    await scene.close()


async def test_lost_messages_are_healed_by_a_heartbeat(scene: Scene) -> None:
    """What the bus lost is fetched from the log once a heartbeat tells of it."""
    await scene.follow()
    await scene.until(scene.at_head)
    for number in range(700):
        scene.publisher.commit(f"lost-{number}")
    scene.publisher.append_silently()
    await scene.until(scene.at_head)
    assert scene.applied("RANGE_NEXT") == 2, "two pages"
    assert scene.applied("WRITE_REPLACED") == 1


async def test_a_delta_too_large_for_the_bus_is_fetched(scene: Scene) -> None:
    """A nudge makes the sidecar look into the log, without waiting for a heartbeat."""
    await scene.follow()
    await scene.until(scene.at_head)
    scene.publisher.commit("large", body=random.randbytes(20_000))
    scene.publisher.publish()
    await scene.until(lambda: scene.writer.state is not None and scene.writer.state.seq == 3, beating=False)
    assert scene.applied("NUDGE_AHEAD") == 1


async def test_valkey_killed_and_restarted(scene: Scene, valkey: ValkeyServer) -> None:
    """The sidecar serves on, finds the refilled log by itself and needs no snapshot; the breaker opens and closes again."""
    await scene.follow()
    await scene.until(scene.at_head)
    valkey.kill()
    await scene.until(lambda: scene.loop.status.redis_breaker is BreakerState.OPEN, beating=False)
    assert scene.records() == scene.publisher.records
    valkey.start()
    scene.publisher.commit("meanwhile")
    scene.publisher.refill()
    await scene.until(scene.at_head)
    assert scene.loop.status.redis_breaker is BreakerState.CLOSED
    assert scene.applied("WRITE_REPLACED") == 1


async def test_second_path_brings_heartbeats_and_deltas(scene: Scene, valkey: ValkeyServer) -> None:
    """With Valkey gone the feed goes on over gRPC, at the head and young; its acks arrive."""
    await scene.serve()
    await scene.follow()
    await scene.until(scene.at_head)
    valkey.kill()
    scene.publisher.commit("over-grpc")
    await scene.until(scene.at_head, beating=False)
    await scene.until(lambda: scene.loop.status.redis_breaker is BreakerState.OPEN, beating=False)
    issued = scene.publisher.issued_ms
    await scene.until(
        lambda: scene.writer.state is not None and scene.writer.state.issued_at_ms > issued, beating=False
    )
    assert (scene.publisher.epoch, 2) in scene.publisher.reached_over_grpc
    await scene.until(lambda: any(ack.seq == 3 for ack in scene.publisher.acks), beating=False)
    newest = scene.publisher.acks[-1]
    assert (newest.sidecar_id, newest.digest_ok, newest.chain) == ("sidecar-1", True, scene.publisher.head.chain)


async def test_everything_over_grpc_when_there_is_no_redis_at_all(scene: Scene, valkey: ValkeyServer) -> None:
    """Even the first snapshot and the key set come by the second path."""
    await scene.serve()
    valkey.kill()
    await scene.follow()
    await scene.until(scene.at_head, beating=False)


async def test_a_refused_token_leaves_redis_alone(scene: Scene) -> None:
    """A control plane that does not admit us costs the acks, not the feed."""
    await scene.serve()
    await scene.follow(token="stolen")
    await scene.until(scene.at_head)
    await scene.until(lambda: scene.loop.status.control_breaker is BreakerState.OPEN)
    assert scene.publisher.acks == []


async def test_forged_and_misused_signatures_are_refused(scene: Scene) -> None:
    """An unknown key, a broken signature, a heartbeat key that signs policy, another feed: counted, nothing applied."""
    await scene.follow()
    await scene.until(scene.at_head)
    publisher = scene.publisher
    change: dict[str, bytes | None] = {"c/mallory": b"granted"}
    tampered = bytearray(publisher.signed_delta(change).envelope)
    tampered[-1] ^= 1
    other = FeedPublisher("other", scene.valkey.url)
    other.policy = publisher.policy
    forged = {
        "unknown_kid": publisher.signed_delta(change, key=SigningKeyPair.generate()).envelope,
        "bad_signature": bytes(tampered),
        "wrong_role": publisher.signed_delta(change, key=publisher.heart).envelope,
        "wrong_feed": other.signed_delta(change).envelope,
        "malformed": b"\xff\xff garbage",
    }
    for reason, envelope in forged.items():
        counter, before = f"refused_{reason}", scene.applied(f"refused_{reason}")
        publisher.log.broadcast(FEED, envelope)
        await scene.until(partial(scene.more, counter, before))
    assert scene.at_head()
    assert "c/mallory" not in scene.records()
    other.client.close()


async def test_forged_log_is_refused_page_and_all(scene: Scene) -> None:
    """A log entry signed by a stranger is never applied; the second path still is."""
    await scene.serve()
    await scene.follow()
    await scene.until(scene.at_head)
    forged = scene.publisher.signed_delta({"c/mallory": b"granted"}, key=SigningKeyPair.generate())
    scene.publisher.entries.append(forged)
    scene.publisher.append_silently()
    scene.publisher.entries.pop()
    scene.publisher.commit("honest")
    await scene.until(scene.at_head)
    assert scene.applied("refused_unknown_kid") >= 1


async def test_new_keys_are_fetched_when_they_are_needed(scene: Scene) -> None:
    """A rotated policy key is unknown at first; the key set is fetched, and what was refused is read again."""
    await scene.follow()
    await scene.until(scene.at_head)
    old = scene.publisher.policy
    scene.publisher.rotate()
    scene.publisher.log.put_key_set(FEED, scene.publisher.key_set())
    scene.publisher.commit("signed-by-the-new-key")
    scene.publisher.publish()
    await scene.until(scene.at_head)
    assert scene.writer.key_set == scene.publisher.key_set()
    scene.publisher.log.broadcast(FEED, scene.publisher.signed_delta({"c/late": b"x"}, key=old).envelope)
    await scene.until(lambda: scene.applied("refused_revoked") == 1)


async def test_trimmed_log_leads_to_a_snapshot(scene: Scene) -> None:
    """A sidecar that slept too long finds the next delta gone and takes a snapshot."""
    await scene.follow()
    await scene.until(scene.at_head)
    await scene.leave()
    for number in range(20):
        scene.publisher.commit(f"customer-{number}")
    scene.publisher.publish()
    scene.publisher.put_snapshot()
    scene.publisher.trim(15)
    await scene.follow()
    await scene.until(scene.at_head)
    assert scene.applied("WRITE_REPLACED") == 1


async def test_flushall_needs_no_snapshot(scene: Scene, valkey: ValkeyServer) -> None:
    """An emptied Redis costs a sidecar at the head nothing; the refilled log goes on where it was."""
    del valkey
    await scene.follow()
    await scene.until(scene.at_head)
    scene.publisher.client.flushall()
    scene.publisher.beat()
    assert scene.at_head()
    scene.publisher.refill()
    scene.publisher.commit("after-the-flush")
    scene.publisher.publish()
    await scene.until(scene.at_head)
    assert scene.applied("WRITE_REPLACED") == 1


async def test_wrong_digest_is_never_committed_and_heals(scene: Scene) -> None:
    """A delta whose digest is not true changes nothing; a snapshot restores the ground to build on."""
    await scene.follow()
    await scene.until(scene.at_head)
    publisher = scene.publisher
    before = dict(publisher.records)
    publisher.entries.append(publisher.signed_delta({"c/drift": b"x"}, digest=bytes(32)))
    publisher.records["c/drift"] = b"x"
    publisher.publish()
    await scene.until(lambda: scene.applied("WRITE_DIGEST_MISMATCH") >= 1)
    assert scene.records() == before
    publisher.put_snapshot()
    await scene.until(scene.at_head)


async def test_another_history_forks_until_a_new_epoch(scene: Scene) -> None:
    """A database that was put back and went on differently: served, never fresh, and left only by a greater epoch."""
    await scene.serve()
    scene.publisher.commit("lost-by-the-restore")
    scene.publisher.publish()
    await scene.follow()
    await scene.until(scene.at_head)
    served = scene.records()
    scene.publisher.branch_off(2)
    del scene.publisher.records["c/lost-by-the-restore"]
    scene.publisher.commit("another-history")
    await scene.until(lambda: scene.loop.status.state is Phase.FORKED)
    assert scene.writer.state is not None
    assert scene.writer.state.forked
    assert scene.records() == served
    await scene.until(lambda: bool(scene.publisher.acks) and scene.publisher.acks[-1].state == FEED_STATE_FORKED)
    scene.publisher.begin_epoch()
    scene.publisher.refill()
    await scene.until(scene.at_head)
    assert not scene.writer.state.forked


async def test_a_hanging_server_is_left_for_the_second_path(scene: Scene, valkey: ValkeyServer) -> None:
    """A server that accepts and says nothing is noticed by the silence, within some seconds."""
    await scene.serve()
    await scene.follow()
    await scene.until(lambda: scene.at_head() and scene.loop.state.bus_live)
    valkey.signal(signal.SIGSTOP)
    try:
        scene.publisher.commit("while-it-hangs")
        await scene.until(scene.at_head, beating=False)
        assert scene.applied("LINK_SILENT") == 1
        assert scene.loop.state.link is not Link.UP
    finally:
        valkey.signal(signal.SIGCONT)
    scene.publisher.refill()
    await scene.until(lambda: scene.at_head() and scene.loop.state.bus_live)


async def check(scene: Scene, product: str = FEED) -> tuple[int, dict[str, object]]:
    """Run the start-up check as the child that it is."""
    line = verify.command(scene.directory, [scene.publisher.root.public], product)
    child = await asyncio.create_subprocess_exec(*line, stdout=asyncio.subprocess.PIPE)
    output, _ = await child.communicate()
    assert child.returncode is not None
    return child.returncode, json.loads(output)


async def test_a_restart_goes_on_from_the_verified_store(scene: Scene) -> None:
    """The check says where the store stands; the next loop builds on it and takes only what is new."""
    assert (await check(scene))[0] == verify.ABSENT
    await scene.follow()
    await scene.until(scene.at_head)
    scene.publisher.commit("by-delta")
    scene.publisher.publish()
    await scene.until(scene.at_head)
    await scene.leave()
    code, said = await check(scene)
    assert (code, said["seq"], said["records"]) == (verify.VERIFIED, 3, 4)
    assert read_floor(scene.directory).seq == 3, "raised at the end of a run"
    scene.publisher.commit("while-away")
    scene.publisher.publish()
    await scene.follow()
    assert scene.loop.state.version.seq in {0, 3}
    await scene.until(scene.at_head)
    assert (scene.applied("STARTED_VERIFIED"), scene.applied("WRITE_REPLACED")) == (1, 0)


async def test_the_check_refuses_what_it_cannot_trace_to_the_root(scene: Scene) -> None:
    """A flipped byte, another feed, other root keys, a position below the floor: set aside, each with its reason."""
    await scene.follow()
    await scene.until(scene.at_head)
    await scene.leave()
    assert (await check(scene, "other"))[0] == verify.BAD
    scene.publisher.root, kept = SigningKeyPair.generate(), scene.publisher.root
    code, said = await check(scene)
    assert (code, "unknown_kid" in str(said["reason"])) == (verify.BAD, True)
    scene.publisher.root = kept
    data = environment_path(scene.directory) / DATA_FILE
    raw = bytearray(data.read_bytes())
    at = raw.rindex(b"record")
    raw[at] ^= 1
    data.write_bytes(raw)
    code, said = await check(scene)
    assert (code, said["result"]) == (verify.BAD, "bad")


async def test_the_check_is_quick_to_import() -> None:
    """It stands between a restart and the first answer: no gRPC, no Redis, no event loop, no control plane."""
    code = (
        "import sys, sidecar.feed.verify\n"
        "heavy = {'grpc', 'redis', 'asyncio', 'structlog', 'starlette', 'sqlalchemy', 'pybreaker', 'tenacity'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    output, _ = await child.communicate()
    assert output.decode().strip() == "[]"
