"""Key files and the choice of keys: private bytes stay private, rotation overlaps, every publisher signs alike."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from control.cli.keys import run
from control.publishing.key_files import KeyFileError, KeyFiles
from control.publishing.signing import NoSigningKeyError, Signer
from entitlements.policy.ids import Millis
from entitlements.runtime.clock import ManualClock
from entitlements.wire.envelope import (
    KeyRing,
    KeyRole,
    Refusal,
    Refused,
    build_delta,
    build_heartbeat,
    kid_of,
)

NOW_MS = Millis(1_795_000_000_000)
HOUR_MS = 3_600_000


def delta(issued_at_ms: int = NOW_MS) -> bytes:
    """Return some delta's body."""
    return build_delta("shop", 5, 1, bytes(32), [], bytes(32), issued_at_ms).body


def test_private_keys_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    """Files 0600, folders 0700, and the root lies apart from what the control plane uses."""
    KeyFiles(tmp_path / "keys").initialise()
    modes = {
        path.relative_to(tmp_path / "keys").as_posix().split("-")[0]: stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "keys").rglob("*")
    }
    assert modes["online/policy"] == modes["online/heartbeat"] == modes["root/root"] == 0o600
    assert modes["online"] == modes["root"] == 0o700


def test_an_offline_root_is_not_in_the_directory(tmp_path: Path) -> None:
    """With --offline-root the directory that the control plane reads never holds the root's private key."""
    files = KeyFiles(tmp_path / "keys")
    files.initialise(tmp_path / "stick")
    assert list((tmp_path / "keys").rglob("root-*")) == []
    with pytest.raises(KeyFileError, match="--root-key"):
        files.rotate(KeyRole.POLICY, NOW_MS, Millis(0))
    (root,) = (tmp_path / "stick").iterdir()
    assert files.rotate(KeyRole.POLICY, NOW_MS, Millis(0), root_file=root).version == 2


def test_a_second_init_is_refused(tmp_path: Path) -> None:
    """Overwriting a root would cut off every sidecar that pins it."""
    KeyFiles(tmp_path).initialise()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(KeyFileError, match="rotate"):
        KeyFiles(tmp_path).initialise()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_key_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    """The error names the file and the command that mends it."""
    bundle = KeyFiles(tmp_path).initialise()
    file = next((tmp_path / "online").glob("policy-*"))
    file.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod"):
        KeyFiles(tmp_path).load()
    assert file.stem == f"policy-{bundle.grants[0].kid}"


@pytest.mark.parametrize("damage", ["no such file", "{}", "not json", '{"version": 1}'])
def test_a_damaged_description_is_a_clear_error(tmp_path: Path, damage: str) -> None:
    """Nothing is guessed from half a key set."""
    KeyFiles(tmp_path).initialise()
    if damage == "no such file":
        (tmp_path / "keys.json").unlink()
    else:
        (tmp_path / "keys.json").write_text(damage)
    with pytest.raises(KeyFileError, match=r"keys\.json"):
        KeyFiles(tmp_path).load()


def test_a_damaged_private_key_is_a_clear_error(tmp_path: Path) -> None:
    """The error names the file."""
    KeyFiles(tmp_path).initialise()
    next((tmp_path / "online").glob("policy-*")).write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n")
    with pytest.raises(KeyFileError, match=r"policy-.*PEM"):
        KeyFiles(tmp_path).load()


def test_what_is_signed_verifies_under_the_pinned_root(tmp_path: Path) -> None:
    """A sidecar knows the root key alone; the roles are kept apart."""
    bundle = KeyFiles(tmp_path).initialise()
    signer = Signer.of_directory(KeyFiles(tmp_path), ManualClock(NOW_MS))
    ring = KeyRing(bundle.roots)
    ring.install(signer.key_set)
    assert ring.verify(signer.sign_policy(delta(), NOW_MS), "shop", NOW_MS).seq == 1
    beat = build_heartbeat("shop", 5, 1, bytes(32), bytes(32), NOW_MS, 1, 0, NOW_MS + 30_000)
    assert ring.verify(signer.sign_heartbeat(beat, NOW_MS), "shop", NOW_MS).seq == 1
    with pytest.raises(Refused) as refused:
        ring.verify(signer.sign_heartbeat(delta(), NOW_MS), "shop", NOW_MS)
    assert refused.value.reason is Refusal.WRONG_ROLE


def test_a_new_key_waits_until_sidecars_know_it(tmp_path: Path) -> None:
    """Before its start the old key signs, after it the new one; what the old one signed is signed the same way again."""
    files, clock = KeyFiles(tmp_path), ManualClock(NOW_MS)
    files.initialise()
    first = Signer.of_directory(files, clock).sign_policy(delta(), NOW_MS)
    bundle = files.rotate(KeyRole.POLICY, NOW_MS, Millis(24 * HOUR_MS))
    signer = Signer.of_directory(files, clock)
    assert signer.version == bundle.version == 2
    assert signer.sign_policy(delta(), NOW_MS) == first
    clock.advance(25 * HOUR_MS)
    later = Millis(clock.now_ms())
    assert signer.sign_policy(delta(), NOW_MS) == first
    message = signer.ring.verify(signer.sign_policy(delta(later), later), "shop", later)
    assert message.kid == bundle.grants[-1].kid


def test_a_revoked_key_signs_nothing_and_is_refused(tmp_path: Path) -> None:
    """The answer to a stolen key: the next set takes it out at once, also for old messages."""
    files, clock = KeyFiles(tmp_path), ManualClock(NOW_MS)
    old = files.initialise()
    stolen = Signer.of_directory(files, clock).sign_policy(delta(), NOW_MS)
    files.rotate(KeyRole.POLICY, NOW_MS, Millis(0), revoke_old=True)
    signer = Signer.of_directory(files, clock)
    with pytest.raises(Refused) as refused:
        signer.ring.verify(stolen, "shop", NOW_MS)
    assert refused.value.reason is Refusal.REVOKED
    assert signer.ring.verify(signer.sign_policy(delta(), NOW_MS), "shop", NOW_MS).kid != old.grants[0].kid
    with pytest.raises(KeyFileError, match="without a delay"):
        files.rotate(KeyRole.POLICY, NOW_MS, Millis(1), revoke_old=True)


def test_a_running_signer_takes_up_a_new_set(tmp_path: Path) -> None:
    """No restart is needed; a damaged directory leaves the keys in use."""
    files, clock = KeyFiles(tmp_path), ManualClock(NOW_MS)
    files.initialise()
    signer = Signer.of_directory(files, clock)
    assert not signer.refresh()
    files.rotate(KeyRole.HEARTBEAT, NOW_MS, Millis(0))
    assert signer.refresh()
    assert signer.version == 2
    files.rotate(KeyRole.HEARTBEAT, NOW_MS, Millis(0))
    (tmp_path / "keys.json").write_text("damaged")
    with pytest.raises(KeyFileError):
        signer.refresh()
    assert signer.version == 2
    assert signer.sign_policy(delta(), NOW_MS)


def test_a_directory_without_a_needed_key_is_refused_at_start(tmp_path: Path) -> None:
    """A control plane that cannot sign says so when it starts, not at the first write."""
    KeyFiles(tmp_path).initialise()
    next((tmp_path / "online").glob("heartbeat-*")).unlink()
    with pytest.raises(NoSigningKeyError, match="--role heartbeat"):
        Signer.of_directory(KeyFiles(tmp_path), ManualClock(NOW_MS))


def test_the_command_line_makes_shows_and_rotates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it prints names every key and no private byte."""
    clock = ManualClock(NOW_MS)
    assert run(["init", "--dir", str(tmp_path)], clock) == 0
    bundle = KeyFiles(tmp_path).load()
    assert run(["show", "--dir", str(tmp_path), "--root"], clock) == 0
    assert capsys.readouterr().out.splitlines()[-1] == bundle.roots[0].hex()
    assert run(["rotate", "--dir", str(tmp_path), "--role", "policy"], clock) == 0
    shown = capsys.readouterr().out
    assert "key set 2" in shown
    assert "counts in 1440 min" in shown
    assert run(["rotate", "--dir", str(tmp_path), "--role", "policy", "--revoke-old"], clock) == 0
    shown = capsys.readouterr().out
    assert shown.count("revoked") == 3  # two keys, and the sentence about re-epoch
    assert "re-epoch" in shown
    for pair in KeyFiles(tmp_path).load().pairs.values():
        assert pair.private_bytes().hex() not in shown
        assert kid_of(pair.public) in shown


def test_the_command_line_explains_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and one sentence with the remedy."""
    assert run(["show", "--dir", str(tmp_path)], ManualClock(NOW_MS)) == 1
    assert "entitlements keys init" in capsys.readouterr().err
