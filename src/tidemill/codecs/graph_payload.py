"""Nodes of a graph inside the JSON of a request."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    WithJsonSchema,
)

from tidemill.codecs.codec import Payload
from tidemill.codecs.nodes import LONGEST_ID, parse_json, write_canonical
from tidemill.domain.errors import BadPayload
from tidemill.domain.text import has_controls


def _require_plain(id: str) -> str:
    if has_controls(id):
        raise ValueError("it has control characters")
    return id


_Id = Annotated[str, Field(min_length=1, max_length=LONGEST_ID), AfterValidator(_require_plain)]
_FEATURES = {
    "anyOf": [
        {"type": "array", "items": {"type": "integer", "minimum": 0}},
        {"type": "object", "additionalProperties": {"type": "number"}},
    ]
}


class Node(BaseModel):
    """A node that is sent with its features and links.

    The codec validates the features, so that its error names the node.
    """

    model_config = ConfigDict(extra="forbid")

    id: _Id = Field(examples=["35"])
    features: Annotated[list[Any] | dict[str, Any], WithJsonSchema(_FEATURES)] = Field(
        default=[], description="The positions that are 1, ascending; or position to number."
    )
    links: list[_Id] = Field(
        default=[], description="Ids of neighbours. A link named by either end is one edge."
    )


# The JSON type decides the model, so that an error fits the type that was sent.
_Sent = Annotated[
    Annotated[_Id, Tag("id")] | Annotated[Node, Tag("node")],
    Discriminator(lambda node: "id" if isinstance(node, str) else "node"),
]


class GraphPayload(Payload):
    """Nodes inside JSON, each of which gets an answer."""

    json_ns_per_byte: ClassVar[float] = 500.0

    nodes: list[_Sent] = Field(
        min_length=1,
        description="Nodes, and ids of nodes of the stored graph.",
        examples=[[{"id": "new", "features": [3, 17, 120], "links": ["35"]}, "1033"]],
    )
    whole: bool = Field(
        default=False,
        description="The nodes are a graph of their own, not joined to the stored one.",
    )

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """Return the nodes. Raises BadPayload; canonical bytes come back as they are."""
        try:
            return cls.model_validate(parse_json(payload))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise BadPayload(
                f"The graph's {where} does not fit: {first['msg'].removeprefix('Value error, ')}."
            ) from error

    def to_bytes(self) -> bytes:
        """Return the canonical payload: sorted keys, no spaces. Raises BadPayload."""
        return write_canonical(self.model_dump(exclude=None if self.whole else {"whole"}))
