"""A whole graph inside a codec's configuration: canonical JSON, by zlib, in base64."""

from __future__ import annotations

import base64
import binascii
import zlib

from tidemill.codecs.neighbourhood import Graph
from tidemill.codecs.nodes import parse_json, read_payload, write_canonical
from tidemill.codecs.sparse import Nodes
from tidemill.domain.errors import BadPayload, UsageError


def pack_graph(payload: bytes) -> str:
    """Return the text that `unpacked` takes.

    Raises BadPayload when the payload is no whole graph.
    """
    if not read_payload(payload).whole:
        raise BadPayload("Only a whole graph can be stored.", hint='Send "whole": true.')
    return base64.b64encode(zlib.compress(write_canonical(parse_json(payload)))).decode()


def unpack_graph(stored: str, features: int) -> Graph:
    """Return the graph, which has no nodes when `stored` is empty.

    Raises UsageError when it is no whole graph whose nodes have so many features.
    """
    if not stored:
        return Graph(Nodes([], features))
    try:
        sent = read_payload(zlib.decompress(base64.b64decode(stored, validate=True)))
        graph = Graph(Nodes(sent.objects, features))
    except (binascii.Error, ValueError, zlib.error, BadPayload) as error:
        raise UsageError(f"stored does not fit: {error}") from error
    if not sent.whole:
        raise UsageError("stored does not fit: it is no whole graph.")
    return graph
