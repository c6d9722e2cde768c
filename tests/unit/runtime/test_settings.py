"""Settings are read once, from text, and an error tells which variable to repair and how."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from entitlements.runtime import forms
from entitlements.runtime.settings import SettingsError, environment, load, reference_page, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A settings class with one setting of each interesting kind."""

    products: tuple[str, ...] = setting("PRODUCTS", "What is served.", forms.listed(forms.text("a product key")))
    drain_ms: int = setting("DRAIN", "How long to wait.", forms.duration_ms(), default="10s")
    listen: forms.Address | None = setting("LISTEN", "Where.", forms.optional(forms.address()), default="")
    token: str | None = setting("TOKEN", "Who we are.", forms.optional(forms.text()), default="", secret=True)


def test_values_come_from_the_environment_and_defaults_from_the_declaration() -> None:
    """A set variable wins, an unset one takes the declared text through the same form."""
    settings = load(Sample, {"ENTITLEMENTS_PRODUCTS": "suite, desk", "ENTITLEMENTS_LISTEN": "[::1]:0"})
    assert settings == Sample(products=("suite", "desk"), drain_ms=10_000, listen=forms.Address("::1", 0), token=None)


@pytest.mark.parametrize(
    "environ, name, words",
    [
        ({}, "ENTITLEMENTS_PRODUCTS", "is not set; set it to a product key, several separated by commas"),
        (
            {"ENTITLEMENTS_DRAIN": "10"},
            "ENTITLEMENTS_DRAIN",
            "is not a length of time (got '10'); write a number with ms, s, m, h or d",
        ),
        ({"ENTITLEMENTS_DRAIN": "401d"}, "ENTITLEMENTS_DRAIN", "is out of range"),
        ({"ENTITLEMENTS_LISTEN": "localhost"}, "ENTITLEMENTS_LISTEN", "is not HOST:PORT (got 'localhost')"),
        ({"ENTITLEMENTS_PRODUCTS": "a,a"}, "ENTITLEMENTS_PRODUCTS", "names one value twice"),
    ],
)
def test_error_names_variable_problem_and_remedy(environ: dict[str, str], name: str, words: str) -> None:
    """Whoever reads the one line can repair the deployment."""
    with pytest.raises(SettingsError) as caught:
        load(Sample, {"ENTITLEMENTS_PRODUCTS": "suite", **environ} if environ else {})
    assert caught.value.name == name
    assert words in str(caught.value)


def test_secret_comes_from_a_file_and_is_never_shown(tmp_path: Path) -> None:
    """NAME_FILE holds a path; the value is in neither repr nor error."""
    held = tmp_path / "token"
    held.write_text("s3cret\n")
    environ = {"ENTITLEMENTS_PRODUCTS": "suite", "ENTITLEMENTS_TOKEN_FILE": str(held)}
    settings = load(Sample, environ)
    assert settings.token == "s3cret"
    assert "s3cret" not in repr(settings)
    with pytest.raises(SettingsError, match="ENTITLEMENTS_TOKEN and ENTITLEMENTS_TOKEN_FILE are both set"):
        load(Sample, {**environ, "ENTITLEMENTS_TOKEN": "other"})
    with pytest.raises(SettingsError, match=r"ENTITLEMENTS_TOKEN_FILE names a file that cannot be read \(No such file"):
        load(Sample, {**environ, "ENTITLEMENTS_TOKEN_FILE": str(tmp_path / "gone")})


def test_field_without_declaration_is_a_programming_error() -> None:
    """A settings class declares every field, or it could not be documented."""

    @dataclass
    class Careless:
        port: int

    with pytest.raises(TypeError, match="port is not declared"):
        load(Careless, {})


def test_reference_page_shows_each_setting_with_default_form_and_sentence() -> None:
    """The page is made from the declarations alone."""
    page = reference_page(Sample, "Title", "Opening.")
    assert (
        "| `ENTITLEMENTS_PRODUCTS` | **required** | a product key, several separated by commas | What is served. |"
        in page
    )
    assert (
        "| `ENTITLEMENTS_DRAIN` | `10s` | a number with ms, s, m, h or d, from 0ms to 400d | How long to wait. |"
        in page
    )
    assert "`ENTITLEMENTS_TOKEN_FILE` may name a file" in page


def test_environment_for_a_child_is_made_from_declared_names() -> None:
    """A parent that passes settings on cannot misspell them."""
    assert environment(Sample, {"DRAIN": "1s"}) == {"ENTITLEMENTS_DRAIN": "1s"}
    with pytest.raises(KeyError):
        environment(Sample, {"DRAINS": "1s"})


@pytest.mark.parametrize(
    "form, raw, value",
    [
        (forms.whole_number(1, 9), "9", 9),
        (forms.duration_ms(), "7d", 604_800_000),
        (forms.duration_ms(), "300ms", 300),
        (forms.size_bytes(1, 1 << 40), "64MiB", 64 << 20),
        (forms.choice("a", "b"), "b", "b"),
        (forms.flag(), "true", True),
        (forms.path(), ".run/x", Path(".run/x")),
        (forms.file_mode(), "0660", 0o660),
        (forms.listed(forms.whole_number(0, 9)), "", ()),
    ],
)
def test_form_reads_its_text(form: forms.Form[object], raw: str, value: object) -> None:
    """Each form reads what it says it accepts."""
    assert form.read(raw) == value


@pytest.mark.parametrize(
    "form, raw",
    [
        (forms.whole_number(1, 9), "ten"),
        (forms.whole_number(1, 9), "10"),
        (forms.size_bytes(1, 1 << 40), "64MB"),
        (forms.size_bytes(2, 4), "1B"),
        (forms.choice("a", "b"), "c"),
        (forms.flag(), "yes"),
        (forms.path(), ""),
        (forms.file_mode(), "0999"),
        (forms.text(), ""),
        (forms.address(), "127.0.0.1:70000"),
    ],
)
def test_form_refuses_other_text(form: forms.Form[object], raw: str) -> None:
    """What is not accepted is refused, never guessed."""
    with pytest.raises(ValueError, match=r"^(is|names) "):
        form.read(raw)
