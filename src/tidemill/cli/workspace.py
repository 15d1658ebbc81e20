"""What `doctor` looks at inside a workspace. Unlike `doctor`, it needs every part installed."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.adapters.sql.upgrade import upgrade as upgrade_ledger
from tidemill.domain.errors import NotFound
from tidemill.settings import Settings
from tidemill.workspace.root import LEDGER, open_workspace


def upgrade(settings: Settings) -> None:
    """Bring the ledger's schema up to date. Raises StorageFailed."""
    upgrade_ledger(settings.home / LEDGER)


def look(settings: Settings) -> Iterator[str]:
    """Sentences about the ledger and its champion. Raises what is wrong with them."""
    if not (settings.home / LEDGER).exists():
        yield "none yet; `tidemill train coffee` makes one"
        return
    workspace = open_workspace(settings)
    try:
        version = workspace.champion()
        workspace.predictor(version)
        yield f"schema is current, champion {version.id} opens and matches the ledger"
    except NotFound as error:
        yield f"schema is current. {error.message}"
    finally:
        workspace.ledger.close()
