"""The OpenAPI document, and our own page for `/docs`, which loads nothing from other machines."""

from __future__ import annotations

import asyncio
import copy
import html
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse

from tidemill.codecs.codec import Payload
from tidemill.web import predict
from tidemill.web.errors import Failure
from tidemill.web.failures import HEADERS, describe_failures
from tidemill.web.slots import SlotState

SCHEMA_REFERENCE = "#/components/schemas/{model}"
SCHEMES: Mapping[str, Mapping[str, str]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The secret of an API key; `tidemill keys create NAME` makes one.",
    },
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "The same secret as the password, with any name.",
    },
}

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


@dataclass(frozen=True, slots=True)
class Access:
    """`needs_key` says by method and path whether a client without a key is refused."""

    open_paths: frozenset[str]
    needs_key: Callable[[str, str], bool]

    def security(self, method: str, path: str) -> list[dict[str, list[str]]]:
        """Return what an operation needs; an empty object means nothing."""
        if path in self.open_paths:
            return []
        anybody: list[dict[str, list[str]]] = [] if self.needs_key(method, path) else [{}]
        keys: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]
        return anybody + keys


class ApiDocument:
    """The document of one app, written anew only when another bundle is served.

    The codec of the served model decides the form of a payload. Before the first model is served,
    a payload is any object. A thread of its own writes it, so that the event loop does not wait.
    """

    def __init__(
        self, app: FastAPI, state: Callable[[], SlotState], max_payloads: int, access: Access
    ) -> None:
        self._app = app
        self._state = state
        self._max_payloads = max_payloads
        self._access = access
        self._writing = threading.Lock()
        self._base: dict[str, Any] = {}
        self._bundle: str | None = None
        self._content = b""
        self._page = ""

    async def read(self) -> bytes:
        """Return the document as JSON."""
        if not self._is_current():
            await asyncio.to_thread(self._write)
        return self._content

    async def read_page(self) -> str:
        """Return the page of routes."""
        if not self._page:
            await asyncio.to_thread(self._write)
        return self._page

    def build(self) -> dict[str, Any]:
        """Return the document for the served model."""
        champion = self._state().champion
        content = copy.deepcopy(self._describe_routes())
        payload = champion.predictor.codec.payload if champion else None
        _describe_bodies(content, payload, self._max_payloads)
        return content

    def _is_current(self) -> bool:
        return bool(self._content) and self._bundle == self._served()

    def _served(self) -> str | None:
        champion = self._state().champion
        return champion.predictor.bundle.id if champion else None

    def _write(self) -> None:
        with self._writing:
            if self._is_current():
                return
            served = self._served()
            content = self.build()
            self._page = self._page or render_docs(content)
            # The content first: who sees this bundle must not get the content of the one before.
            self._content = orjson.dumps(content)
            self._bundle = served

    def _describe_routes(self) -> dict[str, Any]:
        """Return the part of the document that no model changes."""
        if not self._base:
            app = self._app
            content = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            components = content.setdefault("components", {})
            schemas = components.setdefault("schemas", {})
            failure = Failure.model_json_schema(ref_template=SCHEMA_REFERENCE)
            schemas |= failure.pop("$defs") | {"Failure": failure}
            components["parameters"] = copy.deepcopy(HEADERS)
            components["securitySchemes"] = copy.deepcopy({**SCHEMES})
            for method, path, operation in _operations(content):
                describe_failures(method, path, operation)
                operation.setdefault("security", self._access.security(method, path))
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            self._base = content
        return self._base


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation


def install_document(
    app: FastAPI, state: Callable[[], SlotState], max_payloads: int, access: Access
) -> ApiDocument:
    """Give `app` the routes of its document and of the page, and return the document."""
    document = ApiDocument(app, state, max_payloads, access)
    router = APIRouter()

    @router.get("/openapi.json", include_in_schema=False)
    async def read() -> Response:
        return Response(await document.read(), media_type="application/json")

    @router.get("/docs", include_in_schema=False)
    async def read_page() -> HTMLResponse:
        return HTMLResponse(await document.read_page())

    app.include_router(router)
    return document


def render_docs(document: Mapping[str, Any]) -> str:
    """Return a page with the document's routes as a table."""
    rows = [
        f"<tr><td>{method}</td><td><code>{html.escape(path)}</code></td>"
        f"<td>{html.escape(operation.get('summary', ''))}</td></tr>"
        for method, path, operation in _operations(document)
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
