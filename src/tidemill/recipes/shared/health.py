"""The health route that several original systems have."""

from __future__ import annotations

from pydantic import BaseModel

from tidemill.domain.errors import Unavailable
from tidemill.recipes.routes import PredictionServer

HEALTH_SUMMARY = "Healthy: the server has a model that passed its golden check."


class Health(BaseModel):
    status: str


def check_health(server: PredictionServer) -> Health:
    """Return the body of a healthy server. Raises Unavailable while no model is served."""
    if not server.ready():
        raise Unavailable(
            "The server has no model that passed its golden check.",
            hint="GET /v1/ready says why.",
        )
    return Health(status="healthy")
