"""The control plane's settings."""

import pytest

from control.settings import Settings, load_settings, pages
from entitlements.runtime.settings import SettingsError, declarations


def test_defaults_suit_one_machine() -> None:
    """Nothing needs to be set to start."""
    settings = load_settings({})
    assert str(settings.http) == "127.0.0.1:8480"
    assert str(settings.grpc) == "127.0.0.1:50052"
    assert settings.redis_url is None
    assert settings.database_url.startswith("sqlite:///")


def test_postgresql_is_reached_by_its_driver() -> None:
    """The usual address is translated to the driver's."""
    settings = load_settings({"ENTITLEMENTS_CONTROL_DATABASE": "postgresql://u:hunter2@h/d"})
    assert settings.database_url == "postgresql+psycopg://u:hunter2@h/d"
    assert "hunter2" not in repr(settings)


def test_another_database_is_refused_without_showing_it() -> None:
    """The message names the variable, not the password."""
    with pytest.raises(SettingsError, match="ENTITLEMENTS_CONTROL_DATABASE") as refused:
        load_settings({"ENTITLEMENTS_CONTROL_DATABASE": "mysql://u:hunter2@h/d"})
    assert "hunter2" not in str(refused.value)


def test_every_setting_is_on_the_reference_page() -> None:
    """The page is made from the declarations."""
    (page,) = pages().values()
    assert [name.variable for name in declarations(Settings) if f"`{name.variable}`" not in page] == []
    assert len(declarations(Settings)) <= 25
