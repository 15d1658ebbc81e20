"""`tidemill keys`: create, list and revoke API keys."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from tidemill import Workspace
from tidemill.screen import OUT, Home, Json, emit, say

app = typer.Typer(
    help="Create, list and revoke API keys.\n\nExample: tidemill keys create ana",
    no_args_is_help=True,
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The actor of what the key does.")],
    *,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="predict, feedback, review or admin; repeat it for several. The first two if none."
        ),
    ] = None,
    days: Annotated[
        float | None, typer.Option(help="After how many days it expires; never if none.")
    ] = None,
    rate: Annotated[
        int, typer.Option(min=0, help="Requests that it may send in a minute; 0 has no bound.")
    ] = 0,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Create a key and print its secret, which nobody can read again.

    Example: tidemill keys create ana --scope feedback --days 90
    """
    with Workspace(home) as workspace:
        new = workspace.create_key(name, scope or None, days=days, rate=rate)
    if as_json:
        emit({"key": _shown(new.key), "secret": new.secret})
        return
    OUT.print(new.secret, markup=False, soft_wrap=True)
    say(f"Key {new.key.id} of {name} may {', '.join(new.key.scopes)}. Keep the secret above.")
    say("A client sends it as `Authorization: Bearer SECRET`.")


@app.command("list")
def list_(
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 100,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """List the keys, newest first, without their secrets.

    Example: tidemill keys list
    """
    with Workspace(home) as workspace:
        keys = workspace.list_keys(limit=limit)
        now = workspace.clock.now()
    if as_json:
        emit({"keys": [_shown(key) for key in keys]})
        return
    whole = Column("key", no_wrap=True)  # to be copied after `revoke`
    table = Table(whole, *(Column(name, overflow="fold") for name in ("name", "may", "state")))
    for key in keys:
        rate = [f"{key.rate} a minute"] if key.rate else []
        table.add_row(key.id, key.name, ", ".join([*key.scopes, *rate]), _state(key, now))
    OUT.print(table)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The id of a key, or a name: all keys of it.")],
    *,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "revoked by hand",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Revoke a key; running servers refuse it within a second.

    Example: tidemill keys revoke ana --reason "ana has left"
    """
    with Workspace(home) as workspace:
        revoked = workspace.revoke_key(key, reason=reason)
    if as_json:
        emit({"revoked": [_shown(row) for row in revoked]})
        return
    for row in revoked:
        say(f"Key {row.id} of {row.name} is revoked.")


def _state(key: Any, now: datetime) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "valid"
    return f"{'valid until' if key.holds(now) else 'expired'} {key.expires_at:%Y-%m-%d}"


def _shown(key: Any) -> dict[str, Any]:
    """Return the fields of a key but its digest."""
    return {name: value for name, value in asdict(key).items() if name != "digest"}


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="keys")
