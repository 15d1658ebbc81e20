"""One table of settings: name, default, help. Each is read once, at the edge.

Every name is an environment variable with the prefix `TIDEMILL_`; `tidemill config` prints the
table with the values in force.
"""

from __future__ import annotations

import getpass
import os
import re
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tidemill.domain.errors import UsageError


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container may run under a user id without a name; Windows has no user ids.
        return f"uid-{os.getuid()}" if hasattr(os, "getuid") else "unknown"


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


Names = Annotated[tuple[str, ...], NoDecode]
"""Names with commas between them, as an environment variable holds them."""
PREFIX = "TIDEMILL_"
ALIKE = 0.8
"""From this likeness on, 0 to 1, a name counts as a setting with a wrong letter."""
PUBLIC_SCOPES = ("predict", "feedback")
"""What clients without a key may be allowed to do."""
ORIGIN = re.compile(r"https?://[a-z0-9.\[\]:_-]+")
HOST_NAME = re.compile(r"\*|(\*\.)?[a-z0-9_-][a-z0-9._-]*|[0-9a-f:]+")


class Settings(BaseSettings):
    """The values in force. They do not change after the start."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    home: Path = Field(Path(".tidemill"), description="The workspace: one recipe, one ledger.")
    samples: Path | None = Field(
        None, description="Where painted samples are kept; inside the workspace when not set."
    )
    actor: str = Field(
        default_factory=_person, description="Who is named in events as having acted."
    )
    host: str = Field("127.0.0.1", description="The address that the server binds.")
    port: int = Field(8000, ge=0, le=65535, description="Its port; 0 takes a free one.")
    workers: int = Field(
        1, ge=1, le=16, description="Processes that serve; they share the port and the limits."
    )
    threads: int = Field(1, ge=1, description="Processor threads that one run of a model may use.")
    providers: Names = Field(
        ("CPUExecutionProvider",),
        min_length=1,
        description="Execution providers of ONNX Runtime, in the order of preference.",
    )
    batch: int = Field(64, ge=1, description="Payloads that one run of a model takes at most.")
    batch_delay_ms: int = Field(
        0, ge=0, le=1_000, description="How long a batch that is not full waits for more payloads."
    )
    request_payloads: int = Field(64, ge=1, description="Payloads that one request may hold.")
    queue: int = Field(256, ge=1, description="Payloads that may wait before a request gets 503.")
    connections: int = Field(
        1_000, ge=1, description="Connections at once; a silent one makes room for a new one."
    )
    keep_alive_s: int = Field(
        5, ge=1, description="Seconds that a connection without a request stays open."
    )
    poll_ms: int = Field(200, ge=10, description="How often the server looks at the ledger.")
    tick_ms: int = Field(500, ge=10, description="How often an idle engine looks for work.")
    lease_ms: int = Field(
        5_000,
        ge=100,
        description="How long an engine that is gone keeps another one from leading.",
    )
    durability: Literal["process", "host"] = Field(
        "process",
        description="An answer survives the process (kill -9) or the host (power loss).",
    )
    traffic_max_mb: int = Field(
        0, ge=0, description="Size of a traffic log at which requests get 503; 0 has no bound."
    )
    access_log: str | None = Field(
        None, description="A file that gets a line of JSON for each request; - is stdout."
    )
    refresh_token: SecretStr | None = Field(
        None, description="Who brings it may have a recipe's route make the server look at once."
    )
    feedback_database: SecretStr | None = Field(
        None, description="The database of another system that holds labels, for feedback import."
    )
    allowed_hosts: Names = Field(
        (), description="Further names that the server answers to; *.NAME allows all below it."
    )
    public_scopes: Names | None = Field(
        None,
        description="What clients without a key may do: predict, feedback, both or nothing.",
    )
    allow_anonymous: bool = Field(
        False, description="Let other machines reach a server without any API key."
    )
    trusted_proxies: Names = Field(
        (),
        description="Addresses or networks of proxies whose X-Forwarded-For names the client.",
    )
    cors_origins: Names = Field(
        (), description="Origins of web pages that may ask the server, such as https://my.page."
    )

    def variables(self) -> dict[str, str]:
        """Return the environment variables that give a child process these settings.

        The workspace's folder is not among them: whoever starts the child names it.
        """
        named = {name: getattr(self, name) for name in self.model_fields_set - {"home"}}
        return {
            f"TIDEMILL_{name.upper()}": _text(value)
            for name, value in named.items()
            if value is not None
        }

    @field_validator(
        "allowed_hosts",
        "cors_origins",
        "trusted_proxies",
        "public_scopes",
        "providers",
        mode="before",
    )
    @classmethod
    def _split_names(cls, value: object) -> object:
        """Return the names between the commas, without blanks around them."""
        if not isinstance(value, str):
            return value
        return tuple(name for part in value.split(",") if (name := part.strip()))

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """Return the origins as browsers write them. A wildcard would let every page in."""
        cleaned = tuple(origin.lower().removesuffix("/") for origin in origins)
        for origin in cleaned:
            if not ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin such as https://my.page:3000")
        return cleaned

    @field_validator("public_scopes")
    @classmethod
    def _check_scopes(cls, scopes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Return the scopes. Whoever reviews or administers has to prove a name."""
        for scope in scopes or ():
            if scope not in PUBLIC_SCOPES:
                raise ValueError(f"{scope!r} is none of {', '.join(PUBLIC_SCOPES)}")
        return scopes

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        """Return the addresses and networks. A network may be written by one of its addresses."""
        return tuple(str(ip_network(proxy, strict=False)) for proxy in proxies)

    @field_validator("allowed_hosts")
    @classmethod
    def _check_hosts(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names in lower case."""
        cleaned = tuple(name.lower() for name in names)
        for name in cleaned:
            if not HOST_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no host name; a port does not belong to it")
        return cleaned

    @field_validator("refresh_token", "feedback_database")
    @classmethod
    def _no_blank_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        """Return None for a blank secret, because `${TOKEN:-}` must not disable authentication."""
        return secret if secret and secret.get_secret_value().strip() else None


def _refuse_misspelt(variable: str) -> None:
    """Raise UsageError for a variable that would change nothing because of a letter.

    Others may begin like ours: Kubernetes sets TIDEMILL_SERVICE_HOST for a service `tidemill`.
    """
    name = variable.upper().removeprefix(PREFIX)
    known = [field.upper() for field in Settings.model_fields]
    if not variable.upper().startswith(PREFIX) or name in known:
        return
    if near := get_close_matches(name, known, n=1, cutoff=ALIKE):
        raise UsageError(f"{variable} is no setting.", hint=f"Did you mean {PREFIX}{near[0]}?")


def read_settings(**values: object) -> Settings:
    """Return the settings from the environment, with `values` (options of a command) on top.

    Raises UsageError naming the variable whose value does not fit, and one that is nearly a
    setting.
    """
    for variable in os.environ:
        _refuse_misspelt(variable)
    try:
        return Settings(**{name: value for name, value in values.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = f"TIDEMILL_{str(first['loc'][0]).upper()}"
        raise UsageError(
            f"{name} does not fit: {first['msg'].removeprefix('Value error, ')}.",
            hint="`tidemill config` lists the settings.",
        ) from error
