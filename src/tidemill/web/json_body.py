"""Reads payloads from the JSON of a request. Structure that does not fit is refused unbuilt.

msgspec scans the body once with a type, and ends at the first value that does not fit: a body of
ten million brackets costs microseconds. Only what remains is validated by the payload's model.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType
from pydantic import ValidationError

from tidemill.codecs.codec import Codec, Payload
from tidemill.domain.errors import BadPayload, InvalidRequest
from tidemill.web.doubled_keys import refuse_doubled
from tidemill.web.errors import invalid_field
from tidemill.web.reader import at_index

_UNKNOWN = re.compile("Object contains unknown field '(.*)'", re.DOTALL)
_TOO_MANY = re.compile(r"Expected 'array' of at most length (\d+)")


def parse_payloads(codec: Codec[Any], body: bytes, max_payloads: int) -> list[bytes]:
    """Return the payloads of a body. Raises InvalidRequest, and BadPayload with the index."""
    model = codec.payload
    content = decode_body(_body_decoder(model, max_payloads), body, hint=_hint(model))
    rows = content.instances
    if rows is UNSET:
        return [_payload(content, body, model, "")]
    _refuse_others(content, model)
    refuse_doubled(body, ("instances",), hint=_hint(model))
    instances = [row for row in msgspec.structs.astuple(rows) if row is not UNSET]
    if not instances:
        raise InvalidRequest(
            "'instances' must be a list of at least one payload.", hint=_hint(model)
        )
    if len(instances) == 1:
        return [parse_payload(instances[0], model)]
    return [_parse_instance(row, model, at, len(instances)) for at, row in enumerate(instances)]


def estimate_parse_ns(model: type[Payload], body: bytes) -> float:
    """Return about how many nanoseconds `parse_payloads` takes at most."""
    return model.json_ns_per_byte * len(body)


def decode_body(decoder: msgspec.json.Decoder[Any], body: bytes, *, hint: str) -> Any:
    """Return what the decoder reads. Raises InvalidRequest."""
    if not body:
        raise InvalidRequest("The body is empty; it must be JSON.", hint=hint)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{_sentence(error)}.", hint=hint) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The body is not JSON in UTF-8: {error}.", hint=hint) from error
    except RecursionError as error:
        raise InvalidRequest("The body is nested too deeply.", hint=hint) from error


def rows_type(max_rows: int) -> type[Any]:
    """Return a type for a list of at most so many values, which it leaves as they are.

    A list type would be built before its length is checked.
    """
    fields = [(f"row{at}", Raw | UnsetType, UNSET) for at in range(max_rows)]
    return msgspec.defstruct("Rows", fields, array_like=True, forbid_unknown_fields=True)


@cache
def _body_decoder(model: type[Payload], max_payloads: int) -> msgspec.json.Decoder[Any]:
    rows = rows_type(max_payloads)
    fields = [*_fields(model), ("instances", rows | UnsetType, UNSET)]
    return msgspec.json.Decoder(msgspec.defstruct("Body", fields, forbid_unknown_fields=True))


@cache
def _row_decoder(model: type[Payload]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(
        msgspec.defstruct("Row", _fields(model), forbid_unknown_fields=True)
    )


def _fields(model: type[Payload]) -> list[tuple[str, Any, Any]]:
    """Return the fields of a payload: a text is checked at once, everything else is left as it is.

    The model validates the rest, so that its messages stay.
    """
    return [
        (name, (str if field.annotation is str else Raw) | UnsetType, UNSET)
        for name, field in model.model_fields.items()
    ]


def parse_payload(row: Raw | bytes, model: type[Payload], place: str = "") -> bytes:
    """Return the payload of one JSON object. Raises InvalidRequest naming the field below `place`,
    and BadPayload.
    """
    hint, json = _hint(model), bytes(row)
    try:
        content = decode_body(_row_decoder(model), json, hint=hint)
    except InvalidRequest as error:
        raise InvalidRequest(": ".join(filter(None, [place, error.message])), hint=hint) from error
    return _payload(content, json, model, place)


def _payload(content: Any, json: bytes, model: type[Payload], place: str) -> bytes:
    """Return the payload of a JSON object and what msgspec read of it. Raises InvalidRequest and
    BadPayload.
    """
    only_texts = _has_texts_only(model)
    try:
        if only_texts:
            texts = {name: getattr(content, name) for name in model.model_fields}
            checked = model(**{name: text for name, text in texts.items() if text is not UNSET})
        else:
            checked = model.model_validate_json(json)
    except ValidationError as error:
        raise invalid_field(error, place, hint=_hint(model)) from error
    names = tuple(model.model_fields) if only_texts else None
    refuse_doubled(json, names, place, hint=_hint(model))
    return checked.to_bytes()


@cache
def _has_texts_only(model: type[Payload]) -> bool:
    """Return True when msgspec reads every field whole, so that nothing is parsed twice."""
    return all(field.annotation is str for field in model.model_fields.values())


def _parse_instance(row: Raw, model: type[Payload], index: int, of: int) -> bytes:
    try:
        return parse_payload(row, model, f"instances.{index}")
    except BadPayload as error:
        raise at_index(error, index, of=of) from error


def _refuse_others(content: Any, model: type[Payload]) -> None:
    """Raise InvalidRequest for a payload beside 'instances', which would be passed over."""
    for name in model.model_fields:
        if getattr(content, name) is not UNSET:
            raise InvalidRequest(
                f"{name!r} stands beside 'instances'. Send one payload or many.",
                hint=_hint(model),
            )


def _sentence(error: msgspec.ValidationError) -> str:
    """Return msgspec's message in words that this server uses, the field first."""
    message, _, place = str(error).replace("`", "'").partition(" - at ")
    field = place.strip("'").removeprefix("$").removeprefix(".")
    if unknown := _UNKNOWN.fullmatch(message):
        return f"{unknown[1]}: There is no such field"
    if too_many := _TOO_MANY.fullmatch(message):
        return f"There are too many in the list; at most {too_many[1]}"
    if not field:
        return "The body must be one JSON object"
    if message.startswith("Expected 'array'"):
        return f"'{field}' must be a list of at least one"
    return f"{field}: {message}"


@cache
def _hint(model: type[Payload]) -> str:
    fields = ", ".join(f'"{name}": ...' for name in model.model_fields)
    return f'Send {{{fields}}} or {{"instances": [{{{fields}}}, ...]}}.'
