"""Refuses what the framework passes over in silence: further files, and keys that stand twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args, get_origin

from fastapi import Request, UploadFile
from fastapi.routing import APIRoute
from starlette.datastructures import UploadFile as FormFile

from tidemill.domain.errors import InvalidRequest, Malformed
from tidemill.web.doubled_keys import refuse_doubled
from tidemill.web.media import FORM, JSON, media_type_of


async def refuse_extra_files(request: Request) -> None:
    """Raise Malformed when a field for one file comes with several."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or not route.dependant.body_params:
        return
    if media_type_of(request.headers.get("content-type", "")) != FORM:
        return
    form = await request.form()
    for field in route.dependant.body_params:
        files = [part for part in form.getlist(field.alias) if isinstance(part, FormFile)]
        if len(files) > 1 and field.field_info.annotation is UploadFile:
            raise Malformed(
                f"{request.url.path} takes one file as {field.alias!r}; {len(files)} came.",
                hint="Send one request for each file.",
            )


async def refuse_doubled_fields(request: Request) -> None:
    """Raise InvalidRequest when the query or the JSON of a route names one field twice."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    for param in route.dependant.query_params:
        many = _takes_many(param.field_info.annotation)
        if not many and len(request.query_params.getlist(param.alias)) > 1:
            raise InvalidRequest(
                f"The query names {param.alias!r} twice.", hint="See /docs for the form."
            )
    if not route.dependant.body_params:
        return
    if media_type_of(request.headers.get("content-type", "")) != JSON:
        return
    names = [
        name
        for param in route.dependant.body_params
        for name in getattr(param.field_info.annotation, "model_fields", ())
    ]
    refuse_doubled(await request.body(), names, hint="See /docs for the form of the route.")


def _takes_many(annotation: object) -> bool:
    """Return True for the type of a parameter that may be given several times."""
    kinds = (list, set, tuple, frozenset, Sequence)
    return any(get_origin(each) in kinds for each in (annotation, *get_args(annotation)))
