"""The HTTP route of the original cora system, for its clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

from fastapi import APIRouter, File, Request, Response, UploadFile

from tidemill.codecs.citations import read_citations
from tidemill.codecs.codec import Codec
from tidemill.codecs.graph import GraphCodec
from tidemill.domain.types import Prediction
from tidemill.recipes.routes import (
    NO_PROBABILITY,
    GoldenRequest,
    Routes,
    Server,
    ShownAnswer,
    prediction_headers,
)

TARGET = "topic"
FILE_SEPARATOR = b"\0"
"""Separates the two files in one payload; neither file can hold this byte."""


READ_NS_PER_BYTE = 100.0
"""About how long a byte of the two files takes to read."""


def build(server: Server) -> Routes:
    """Return `POST /test/`, for one target named `topic`."""
    router = APIRouter()

    @router.post("/test/", summary="Predict the topic of every paper of a graph, as a number.")
    async def test(
        request: Request,
        response: Response,
        data1: Annotated[
            UploadFile, File(description="One paper per line: id, words, and optionally the topic.")
        ],
        data2: Annotated[UploadFile, File(description="One link per line: cited, citing.")],
    ) -> list[int]:
        content, cites = await data1.read(), await data2.read()
        cost = READ_NS_PER_BYTE * (len(content) + len(cites))
        payload = await server.read(request, convert_graph, content, cites, cost_ns=cost)
        [prediction] = await server.predict(request, [payload])
        response.headers.update(prediction_headers(prediction))
        return topic_numbers(prediction)

    return Routes(
        router,
        golden_requests=(GoldenRequest("/test/", _build_request, _read_answers, expand=_expand),),
    )


def topic_numbers(prediction: Prediction) -> list[int]:
    """Return the index of each paper's topic among all topics of the model, sorted by name."""
    answers = [answer for answer in prediction.answers if answer.target == TARGET]
    places = {name: at for at, name in enumerate(sorted(answers[0].probabilities))}
    return [places[answer.label] for answer in answers]


def convert_graph(codec: Codec[Any], content: bytes, cites: bytes) -> bytes:
    """Return the payload, without the topics of the file. Raises BadPayload with the line."""
    features = cast(GraphCodec, codec).settings.features
    return read_citations(content, cites, features=features).payload()


def _expand(codec: Codec[Any], payload: bytes) -> bytes:
    """Return the two files of a paper and of all papers that its answer depends on.

    The paper itself is the first line.
    """
    graph = codec.decode(payload)
    part, first = graph.part, int(graph.items[0])
    size = cast(GraphCodec, codec).settings.features
    words = [["0"] * size for _ in range(part.size)]
    for row, column, value in zip(part.rows, part.columns, part.values, strict=True):
        words[row][column] = f"{value:.17g}"
    order = [first, *(at for at in range(part.size) if at != first)]
    content = "".join("\t".join([str(at), *words[at]]) + "\n" for at in order)
    cites = "".join(f"{one}\t{other}\n" for one, other in part.edges if one < other)
    return content.encode() + FILE_SEPARATOR + cites.encode()


def _build_request(files: bytes) -> Mapping[str, Any]:
    content, cites = files.split(FILE_SEPARATOR)
    return {"files": {"data1": ("graph.content", content), "data2": ("graph.cites", cites)}}


def _read_answers(body: Any) -> Sequence[ShownAnswer]:
    return [(TARGET, body[0], NO_PROBABILITY)]
