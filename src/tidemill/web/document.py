"""The OpenAPI document, and our own page for `/docs`, which loads nothing from other machines."""

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
    "default": {"model": Failure, "description": "Every failure has this shape."}
}
SCHEMA_REFERENCE = "#/components/schemas/{model}"

DOCS_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }}
td {{ padding: .3rem 1.2rem .3rem 0; vertical-align: top }}
</style></head>
<body><h1>{title}</h1><p>{description}</p>
<p>The whole contract: <a href="openapi.json">openapi.json</a>.</p>
<table>{rows}</table></body></html>
"""


def install_document(app: FastAPI, slots: Slots, max_payloads: int) -> None:
    """Give `app` its document and `/docs`.

    The codec of the served model decides the form of a payload, so each request for the document
    writes it anew. Before the first model is served, a payload is any object.
    """

    def document() -> dict[str, Any]:
        content = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        champion = slots.state.champion
        payload = champion.predictor.codec.payload if champion else None
        _describe_bodies(content, payload, max_payloads)
        return content

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way
    router = APIRouter()

    @router.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(render_docs(app.openapi()))

    app.include_router(router)


def render_docs(document: dict[str, Any]) -> str:
    """Return a page with the document's routes as a table."""
    rows = [
        f"<tr><td>{method.upper()}</td><td><code>{html.escape(path)}</code></td>"
        f"<td>{html.escape(operation.get('summary', ''))}</td></tr>"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    info = document["info"]
    return DOCS_PAGE.format(
        title=html.escape(info["title"]),
        description=html.escape(info["description"]),
        rows="\n".join(rows),
    )


def _describe_bodies(
    document: dict[str, Any], model: type[Payload] | None, max_payloads: int
) -> None:
    one: dict[str, Any] = {"type": "object"}
    example: dict[str, Any] = {}
    if model is not None:
        schema = model.model_json_schema(ref_template=SCHEMA_REFERENCE)
        schemas = document["components"]["schemas"]
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
        one = {"$ref": SCHEMA_REFERENCE.format(model=model.__name__)}
        example = {
            name: field["examples"][0]
            for name, field in schema["properties"].items()
            if field.get("examples")
        }
    many = {
        "type": "object",
        "required": ["instances"],
        "properties": {
            "instances": {"type": "array", "items": one, "minItems": 1, "maxItems": max_payloads}
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
                "maxItems": max_payloads,
                "description": "One part with this name for each payload.",
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
