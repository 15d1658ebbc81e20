"""The OpenAPI document, and `/docs` as a page of our own: it asks nothing off the machine."""

from __future__ import annotations

import html
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse

from tidemill.codecs.codec import Payload
from tidemill.web import predict
from tidemill.web.errors import Failure
from tidemill.web.slots import Slots

FAILURES: dict[int | str, dict[str, Any]] = {
    "default": {"model": Failure, "description": "Every failure has this one shape."}
}
REFERENCE = "#/components/schemas/{model}"

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }}
td {{ padding: .3rem 1.2rem .3rem 0; vertical-align: top }}
</style></head>
<body><h1>{title}</h1><p>{description}</p>
<p>The whole contract, for people and tools: <a href="openapi.json">openapi.json</a>.</p>
<table>{rows}</table></body></html>
"""


def install(app: FastAPI, slots: Slots, most: int) -> None:
    """Give `app` its document and `/docs`.

    The form of a payload belongs to the codec of the model that is served, so the document is
    written when it is asked for. Before a first model is proved, a payload is any object.
    """

    def document() -> dict[str, Any]:
        written = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        champion = slots.view.champion
        _describe_bodies(written, champion.predictor.codec.payload if champion else None, most)
        return written

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way
    router = APIRouter()

    @router.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()))

    app.include_router(router)


def page(document: dict[str, Any]) -> str:
    """The document's routes as a table."""
    rows = [
        f"<tr><td>{method.upper()}</td><td><code>{html.escape(path)}</code></td>"
        f"<td>{html.escape(operation.get('summary', ''))}</td></tr>"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    info = document["info"]
    return PAGE.format(
        title=html.escape(info["title"]),
        description=html.escape(info["description"]),
        rows="\n".join(rows),
    )


def _describe_bodies(document: dict[str, Any], model: type[Payload] | None, most: int) -> None:
    one: dict[str, Any] = {"type": "object"}
    example: dict[str, Any] = {}
    if model is not None:
        schema = model.model_json_schema(ref_template=REFERENCE)
        schemas = document["components"]["schemas"]
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
        one = {"$ref": REFERENCE.format(model=model.__name__)}
        example = {
            name: field["examples"][0]
            for name, field in schema["properties"].items()
            if field.get("examples")
        }
    many = {
        "type": "object",
        "required": ["instances"],
        "properties": {
            "instances": {"type": "array", "items": one, "minItems": 1, "maxItems": most}
        },
    }
    files = {
        "type": "object",
        "required": ["file"],
        "properties": {
            "file": {
                "type": "array",
                "items": {"type": "string", "format": "binary"},
                "minItems": 1,
                "maxItems": most,
                "description": "One part of this name for each payload.",
            }
        },
    }
    json: dict[str, Any] = {"schema": {"anyOf": [one, many]}}
    if example:
        json["examples"] = {
            "one": {"value": example},
            "many": {"value": {"instances": [example, example]}},
        }
    document["paths"][predict.PATH]["post"]["requestBody"] = {
        "required": True,
        "content": {"application/json": json, "multipart/form-data": {"schema": files}},
    }
