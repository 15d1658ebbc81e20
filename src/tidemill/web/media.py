"""Which media types the body of a route may have, and what is wrong with one that was not read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request, params
from fastapi.routing import APIRoute

from tidemill.domain.errors import InvalidRequest, TidemillError, UnsupportedMedia

JSON, FORM, FIELDS = "application/json", "multipart/form-data", "application/x-www-form-urlencoded"


def media_type_of(content_type: str) -> str:
    """Return the media type of a Content-Type, without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def unread_media(kind: str, wanted: str) -> UnsupportedMedia:
    """Return the error of a body of a type that the route does not read."""
    return UnsupportedMedia(
        f"This route does not read a body of type {kind[:80] or 'unknown'!r}.",
        hint=f"Send {wanted}.",
    )


def media_types(route: object) -> tuple[str, ...]:
    """Return the media types that the framework reads for a route; none without a body."""
    fields = route.dependant.body_params if isinstance(route, APIRoute) else []
    if not fields:
        return ()
    if any(isinstance(field.field_info, params.File) for field in fields):
        return (FORM,)
    if any(isinstance(field.field_info, params.Form) for field in fields):
        return (FORM, FIELDS)
    return (JSON,)


def body_error(request: Request, first: Mapping[str, Any]) -> TidemillError | None:
    """Return the error of a body that the framework could not read at all.

    `first` is the first finding of its validation. For a body of another media type that says only
    that a field is missing, or that text is no object.
    """
    if not first["loc"] or first["loc"][0] != "body":
        return None
    media_type = media_type_of(request.headers.get("content-type", ""))
    readable = media_types(request.scope.get("route"))
    if media_type and readable and media_type not in readable and not media_type.endswith("+json"):
        return unread_media(media_type, " or ".join(readable))
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", "it cannot be parsed")
        return InvalidRequest(
            f"The body is not JSON in UTF-8: {reason}.",
            hint="See /docs for the form that the route takes.",
        )
    return None
