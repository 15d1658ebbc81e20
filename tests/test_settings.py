"""Settings come from the environment, once, and a wrong one is named."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from tidemill.domain.errors import UsageError
from tidemill.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that sets nothing."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"TIDEMILL_{name.upper()}", raising=False)


def test_the_environment_decides_and_an_option_decides_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert read_settings().port == 8000
    assert read_settings().home == Path(".tidemill")
    monkeypatch.setenv("TIDEMILL_PORT", "9000")
    assert read_settings().port == 9000
    assert read_settings(port=9001).port == 9001
    assert read_settings(port=None).port == 9000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eight"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", ""),
        ("THREADS", "0"),
        ("BATCH", "0"),
        ("QUEUE", "many"),
        ("BATCH_DELAY_MS", "1001"),
        ("REQUEST_PAYLOADS", "0"),
        ("PROVIDERS", ""),
        ("PROVIDERS", " , "),
        ("POLL_MS", "1"),
        ("DURABILITY", "never"),
        ("TRAFFIC_MAX_MB", "-5"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "my.page"),
        ("CORS_ORIGINS", "https://my.page/path"),
        ("TRUSTED_PROXIES", "my.proxy"),
        ("TRUSTED_PROXIES", "10.0.0.1/40"),
        ("ALLOWED_HOSTS", "models.example:80"),
        ("ALLOWED_HOSTS", "http://models.example"),
    ],
)
def test_a_value_that_does_not_fit_is_said_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TIDEMILL_{name}", value)
    with pytest.raises(UsageError, match=f"TIDEMILL_{name} does not fit") as caught:
        read_settings()
    assert "tidemill config" in caught.value.hint


@pytest.mark.parametrize("name", ["BTACH", "workrs", "CORS_ORIGIN", "PROVIDER"])
def test_a_misspelt_setting_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TIDEMILL_{name}", "1")
    with pytest.raises(UsageError, match=f"TIDEMILL_{name} is no setting") as caught:
        read_settings()
    assert caught.value.hint.startswith("Did you mean TIDEMILL_")


@pytest.mark.parametrize("name", ["SERVICE_HOST", "PORT_8000_TCP", "REAL_DATA", "KEY", "DEBUG"])
def test_a_variable_of_others_is_none_of_ours(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TIDEMILL_{name}", "1")
    read_settings()


def test_names_stand_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_ALLOWED_HOSTS", "Models.example, *.inner.example,,")
    monkeypatch.setenv("TIDEMILL_CORS_ORIGINS", "https://My.page/,http://localhost:3000")
    settings = read_settings()
    assert settings.allowed_hosts == ("models.example", "*.inner.example")
    assert settings.cors_origins == ("https://my.page", "http://localhost:3000")
    assert settings.variables()["TIDEMILL_CORS_ORIGINS"] == "https://my.page,http://localhost:3000"


@pytest.mark.parametrize("value", ["", " ", "\t\n"])
def test_a_blank_secret_is_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """As a compose file gives it with `${TOKEN:-}`."""
    secrets = ("refresh_token", "feedback_database")
    for name in secrets:
        monkeypatch.setenv(f"TIDEMILL_{name.upper()}", value)
    settings = read_settings()
    assert [getattr(settings, name) for name in secrets] == [None, None]
    assert read_settings(refresh_token=value).refresh_token is None


def test_every_secret_is_looked_at() -> None:
    """A new one belongs into the test above, and into the rule that it is about."""
    secrets = {name for name, field in Settings.model_fields.items() if "Secret" in str(field)}
    assert secrets == {"refresh_token", "feedback_database"}


def test_a_given_value_that_does_not_fit_is_refused_too() -> None:
    with pytest.raises(UsageError, match="TIDEMILL_PORT"):
        read_settings(port=70_000)


def test_where_nobody_has_a_name_or_a_number_the_actor_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on Windows without its usual variables: there is no `pwd`, and no number to ask for."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "pwd", None)
    if hasattr(os, "getuid"):
        assert read_settings().actor == f"uid-{os.getuid()}"
        monkeypatch.delattr(os, "getuid")
    assert read_settings().actor == "unknown"


def test_settings_do_not_change_after_start() -> None:
    settings = read_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1


def test_every_setting_is_explained_in_a_sentence() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
