"""Nodes of a graph as JSON: parsing, validation of each node, and canonical form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tidemill.codecs.columns import shown
from tidemill.domain.errors import BadPayload
from tidemill.domain.json_keys import DoubledKey, refuse_doubled_keys
from tidemill.domain.text import has_controls

LONGEST_ID = 200
"""Characters."""

_KEYS = {"features", "id", "links"}
_FORM = 'Send {"nodes": [{"id": ..., "features": [...], "links": [...]}, ...]}.'
_TOLD = (list, dict)
"""The JSON types of features."""
_EXACT = 2**53
"""The largest range in which every whole number is a float of its own."""


@dataclass(frozen=True, slots=True)
class SentNodes:
    """A payload of checked form; positions of features are not checked yet.

    `names` are the ids of its nodes, all different, in order. `objects` are the nodes that came
    with content: `{"id": str, "features": list | dict, "links": list}`, the last two optional.
    """

    names: tuple[str, ...]
    objects: list[dict[str, Any]]
    whole: bool


def parse_json(payload: bytes) -> dict[str, Any]:
    """Return the JSON object of a payload. Raises BadPayload."""
    try:
        content = orjson.loads(payload)
        refuse_doubled_keys(payload)
    except DoubledKey as error:
        raise BadPayload(f"{error}.", hint=_FORM) from error
    except orjson.JSONDecodeError as error:
        raise BadPayload(f"The graph is not JSON: {error}.", hint=_FORM) from error
    if not isinstance(content, dict):
        raise BadPayload("The graph is no JSON object.", hint=_FORM)
    return content


def read_payload(payload: bytes) -> SentNodes:
    """Return the nodes of a payload. Raises BadPayload that names the node."""
    content = parse_json(payload)
    if strange := sorted(content.keys() - {"nodes", "whole"}):
        raise BadPayload(f"A graph has no {shown(strange[0])}.", hint=_FORM)
    nodes, whole = content.get("nodes"), content.get("whole", False)
    if not isinstance(nodes, list) or not nodes:
        raise BadPayload("A graph has 'nodes', a list of at least one.", hint=_FORM)
    if not isinstance(whole, bool):
        raise BadPayload(f"'whole' is true or false, not {shown(whole)}.")
    names = tuple([_name(node, place) for place, node in enumerate(nodes)])
    objects = [node for node in nodes if isinstance(node, dict)]
    if whole and len(objects) < len(nodes):
        name = next(node for node in nodes if isinstance(node, str))
        raise BadPayload(
            f"The node {shown(name)} of a whole graph has an id and nothing else.",
            hint="Send its features and links, or leave 'whole' out to ask about the stored graph.",
        )
    refuse_duplicate_ids(names)
    return SentNodes(names, objects, whole)


def one_node(payload: bytes) -> dict[str, Any]:
    """Return the node of an example's payload.

    Raises BadPayload when it is not exactly one node.
    """
    sent = read_payload(payload)
    if len(sent.names) != 1 or not sent.objects:
        raise BadPayload(
            f"The graph has {len(sent.names):,} nodes; an example is one, with its features.",
            hint="Send every node in a payload of its own.",
        )
    return sent.objects[0]


def refuse_duplicate_ids(names: Iterable[str]) -> None:
    """Raise BadPayload for the first repeated id."""
    ids = list(names)
    if len(set(ids)) == len(ids):
        return
    earlier: set[str] = set()
    for name in ids:
        if name in earlier:
            raise BadPayload(f"Two nodes have the id {shown(name)}.")
        earlier.add(name)


def node_payload(
    id: str, features: Iterable[int] | Mapping[int, float], links: Iterable[str]
) -> bytes:
    """Return the canonical payload of one node: an example of a graph.

    `features` are the positions that are 1, or position to number. They are written by position,
    links by id; what is twice there, zero or a link to itself is left out. Raises BadPayload for
    what JSON in UTF-8 cannot write.
    """
    return write_canonical({"nodes": [node_object(id, features, links)]})


def node_object(
    id: str, features: Iterable[int] | Mapping[int, float], links: Iterable[str]
) -> dict[str, Any]:
    """Return the example that `node_payload` writes."""
    return {
        "features": _features(features),
        "id": id,
        "links": sorted({link for link in links if link != id}),
    }


def whole_payload(payloads: Iterable[bytes]) -> bytes:
    """Combine the payloads of nodes into one whole graph, in their order, as canonical JSON.

    A link to a node that is not among them is left out. Raises BadPayload for a payload that is
    not one node, and for two nodes with one id.
    """
    nodes = [one_node(payload) for payload in payloads]
    refuse_duplicate_ids(node["id"] for node in nodes)
    names = {node["id"] for node in nodes}
    nodes_within = [
        {
            "features": node.get("features", []),
            "id": node["id"],
            "links": [link for link in node.get("links", []) if link in names],
        }
        for node in nodes
    ]
    return write_canonical({"nodes": nodes_within, "whole": True})


def write_canonical(content: Mapping[str, Any]) -> bytes:
    """Return canonical JSON: sorted keys, no spaces, UTF-8. Raises BadPayload."""
    try:
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise BadPayload(f"The graph holds what JSON in UTF-8 cannot write: {error}.") from error


def _features(features: Iterable[int] | Mapping[int, float]) -> list[int] | dict[str, float]:
    if not isinstance(features, Mapping):
        return sorted({int(position) for position in features})
    there = {int(position): float(value) for position, value in features.items() if value}
    if all(value == 1 for value in there.values()):
        return sorted(there)
    return {str(position): _number(value) for position, value in there.items()}


def _number(value: float) -> float:
    # 2 and 2.0 are one number, so both get one form.
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


def _name(node: object, place: int) -> str:
    if isinstance(node, str):
        return _checked_id(node, place)
    if not isinstance(node, dict):
        raise BadPayload(f"nodes[{place}] is neither a node nor the id of one.", hint=_FORM)
    name = _checked_id(node.get("id"), place)
    if not node.keys() <= _KEYS:
        strange = sorted(node.keys() - _KEYS)
        raise BadPayload(f"The node {shown(name)} has {shown(strange[0])}.", hint=_FORM)
    if not isinstance(node.get("features", []), _TOLD):
        raise BadPayload(
            f"The features of the node {shown(name)} are neither a list nor an object.",
            hint="List the positions that are 1, or send an object of position and number.",
        )
    if not isinstance(node.get("links", []), list):
        raise BadPayload(f"The links of the node {shown(name)} are no list of ids.")
    return name


def _checked_id(id: object, place: int) -> str:
    """Return the id itself, when it can be one. Raises BadPayload that names the place."""
    if not isinstance(id, str):
        raise BadPayload(
            f"nodes[{place}] has no id that is text.", hint='Put numbers into quotes: "id": "35".'
        )
    if not 1 <= len(id) <= LONGEST_ID:
        raise BadPayload(
            f"nodes[{place}] has an id of {len(id):,} characters; it has 1 to {LONGEST_ID}."
        )
    if has_controls(id):
        raise BadPayload(f"nodes[{place}] has an id with control characters.")
    return id
