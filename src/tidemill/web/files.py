"""Refuses forms that hold more files than a route takes, which would be passed over in silence."""

from __future__ import annotations

from fastapi import Request, UploadFile
from fastapi.routing import APIRoute
from starlette.datastructures import UploadFile as FormFile

from tidemill.domain.errors import Malformed
from tidemill.web.media import FORM, media_type_of


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
