"""What is started before anything else: settings as declared, command lines as their modules read them, the intercom."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest

from entitlements.runtime.forms import Address
from entitlements.runtime.settings import SettingsError, declarations, load
from sidecar import feed_figures, metrics, settings
from sidecar.feed import verify
from sidecar.intercom import Intercom, ask
from sidecar.launch import VERIFY_MODULE, verify_command
from sidecar.settings import SidecarSettings

KEY = "ab" * 32
LEAST = {"ENTITLEMENTS_PRODUCTS": "suite,desk", "ENTITLEMENTS_ROOT_KEYS": KEY}


def test_two_settings_are_enough() -> None:
    """The rest has defaults that fit one host."""
    made = load(SidecarSettings, LEAST)
    assert made.default_product == "suite"
    assert made.root_keys == (bytes.fromhex(KEY),)
    assert (made.socket, made.socket_mode) == (Path(".run/sidecar.sock"), 0o660)
    assert (made.listen, made.admin) == (Address("127.0.0.1", 50051), Address("127.0.0.1", 9902))


def test_there_are_at_most_thirty_and_each_has_its_sentence() -> None:
    """More knobs than that nobody understands."""
    declared = declarations(SidecarSettings)
    assert len(declared) <= 30
    assert all(one.sentence.endswith(".") and len(one.sentence.split()) >= 6 for one in declared)


@pytest.mark.parametrize(
    "name, text, problem",
    [
        ("PRODUCTS", "", "is empty"),
        ("PRODUCTS", "suite,suite", "names one value twice"),
        ("PRODUCTS", "suite,\x01", "holds a product key that must not contain control characters"),
        ("ROOT_KEYS", "xyz", "holds something else than 64 hexadecimal digits"),
        ("REDIS_URL", "http://cache", "is not a Redis URL"),
        ("TRANSPORT", "carrier-pigeon", "is not one of the choices"),
        ("DECISION_CACHE", "-1", "is out of range"),
    ],
)
def test_wrong_setting_is_named(name: str, text: str, problem: str) -> None:
    """With the problem and what to write."""
    with pytest.raises(SettingsError, match=f"ENTITLEMENTS_{name} {problem}.*; (write|set)"):
        load(SidecarSettings, {**LEAST, f"ENTITLEMENTS_{name}": text})


def test_root_keys_come_from_a_file_one_a_line(tmp_path: Path) -> None:
    """As key management writes them."""
    file = tmp_path / "roots"
    file.write_text(f"{KEY}\n{'cd' * 32}\n", encoding="utf-8")
    environ = {"ENTITLEMENTS_PRODUCTS": "suite", "ENTITLEMENTS_ROOT_KEYS_FILE": str(file)}
    assert len(load(SidecarSettings, environ).root_keys) == 2


def test_command_of_the_check_is_the_one_its_module_reads(tmp_path: Path) -> None:
    """It is written out in the launch to save an import; it must not drift."""
    made = load(SidecarSettings, LEAST)
    expected = verify.command(tmp_path, made.root_keys, "suite")
    assert verify_command(tmp_path, made, "suite")[3:] == expected[3:]
    assert verify_command(tmp_path, made, "suite")[:3] == [sys.executable, "-m", VERIFY_MODULE]
    assert verify.__name__ == VERIFY_MODULE


def test_intercom_answers_known_requests_and_survives_bad_callers(tmp_path: Path) -> None:
    """Unknown words, silence and hanging up change nothing for the next one."""
    intercom = Intercom(tmp_path / "i.sock", {"status": lambda: b"fine"})
    assert ask(intercom.path, "status", 5) == b"fine"
    assert ask(intercom.path, "format the disk", 5) == b"unknown request\n"
    with contextlib.suppress(ConnectionError):  # it does not read to the end of this
        assert ask(intercom.path, "x" * 10_000, 5) == b"unknown request\n"
    assert ask(intercom.path, "status", 5) == b"fine"
    assert intercom.path.stat().st_mode & 0o077 == 0
    intercom.close()
    with pytest.raises(OSError, match="No such file"):
        ask(intercom.path, "status", 5)


def test_reference_pages_cover_every_setting_and_metric() -> None:
    """They are made from the declarations."""
    config = settings.pages()["docs/reference/config-sidecar.md"]
    assert all(f"`{one.variable}`" in config for one in declarations(SidecarSettings))
    page = metrics.pages()["docs/reference/metrics.md"]
    declared = (*metrics.TALLIED, *metrics.SERVING, *metrics.MAIN)
    assert all(f"| `{metric.name}` |" in page for metric in declared)
    assert len({metric.name for metric in declared}) == len(declared)
    assert set(feed_figures.EVENTS) <= set(metrics.FEED_EVENTS.help.replace(",", " ").replace(".", " ").split())
