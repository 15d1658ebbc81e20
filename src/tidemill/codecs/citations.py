"""Read citation graphs from two text files: the content of papers, and their citations.

A line of the content is `ID WORD ... WORD [LABEL]`, with as many words as a node has features,
mostly 0 or 1. A line of the cites is `CITED CITING`. Blanks and tabs separate the fields. The
direction of a citation is lost, because the links of a graph have no direction.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from typing import Any, NamedTuple, NoReturn

import numpy as np

from tidemill.codecs.columns import shown
from tidemill.codecs.nodes import LONGEST_ID, node_object, write_canonical
from tidemill.domain.errors import BadPayload
from tidemill.domain.text import has_controls

_BLOCK = 512
"""The number of lines that are read together: few enough for the processor's cache."""
_TEXT_BLOCK = 1 << 20
_LARGEST = float(np.finfo(np.float32).max)
_MARK = b"\xef\xbb\xbf"
_ZERO, _ONE = np.frombuffer(b"0\t1\t", "<u2")
_TABS = bytes.maketrans(b" \r\v\f", b"\t\t\t\t")


class _Line(NamedTuple):
    number: int
    id: str
    label: str
    features: Sequence[int] | dict[int, float]


@dataclass(frozen=True, slots=True, eq=False)
class Citations:
    """A citation graph: `ids` in the file's order, `labels` by id, empty when there are none.

    `features` and `links` are by node. Features are the positions that are 1, ascending, or
    position to number; links are sorted, each once, at both its ends, none to the node itself.
    """

    ids: list[str]
    labels: dict[str, str]
    features: list[Sequence[int] | dict[int, float]]
    links: list[list[str]]

    def payload(self) -> bytes:
        """Return the canonical payload of the whole graph."""
        return write_canonical({"nodes": list(self._objects()), "whole": True})

    def examples(self) -> Iterator[tuple[str, bytes]]:
        """Yield every node's id and its canonical payload."""
        for id, node in zip(self.ids, self._objects(), strict=True):
            yield id, write_canonical({"nodes": [node]})

    def _objects(self) -> Iterator[dict[str, Any]]:
        for id, features, links in zip(self.ids, self.features, self.links, strict=True):
            if isinstance(features, dict):
                yield node_object(id, features, links)
            else:
                yield {"features": features, "id": id, "links": links}


def read_citations(content: bytes, cites: bytes, *, features: int | None = None) -> Citations:
    """Return the graph of both files. Raises BadPayload that names the file and the line.

    With `features` given, lines may have a label or not, all alike. Without, each has one, and
    what the first line holds besides its id and its label are the features.
    """
    lines = list(_content(content, features))
    ids: dict[str, int] = {}
    for line in lines:
        if line.id in ids:
            first = lines[ids[line.id]].number
            raise _fault("content", line.number, f"line {first} has the id {shown(line.id)}, too")
        ids[line.id] = len(ids)
    labels = {line.id: line.label for line in lines if line.label}
    return Citations([*ids], labels, [line.features for line in lines], _links(cites, ids))


def _content(content: bytes, features: int | None) -> Iterator[_Line]:
    lines = [
        (number, line)
        for number, line in enumerate(_tabbed(content).split(b"\n"), start=1)
        if line and not line.isspace()
    ]
    if not lines:
        raise BadPayload("The content has no line.", hint="A line is ID WORD ... WORD [LABEL].")
    number, fields = lines[0][0], len(lines[0][1].split())
    width = fields - 2 if features is None else features
    if width < 1:
        raise _fault("content", number, "there is no ID WORD ... WORD LABEL")
    labelled = fields == width + 2
    for start in range(0, len(lines), _BLOCK):
        for line in _block(lines[start : start + _BLOCK], width):
            if bool(line.label) != labelled:
                has, had = ("a label", "none") if line.label else ("no label", "one")
                raise _fault("content", line.number, f"there is {has}, but line {number} has {had}")
            yield line


def _tabbed(content: bytes) -> bytes:
    """Return the same with every blank a tab. Ordinary files have no other, and are not copied."""
    content = content.removeprefix(_MARK)
    if any(blank in content for blank in (b" ", b"\r", b"\v", b"\f")):
        return content.translate(_TABS)
    return content


def _block(lines: Sequence[tuple[int, bytes]], width: int) -> Iterator[_Line]:
    """Read these lines, in a faster way if their words are single digits 0 and 1."""
    heads, bodies, labels = [], [], []
    for _, line in lines:
        start = line.find(b"\t") + 1
        end = start + 2 * width
        # Without a tab there is no head, and the line is not plain.
        head, body, label = line[: max(start - 1, 0)], line[start:end], line[end:]
        # The last word of a line without a label has no tab behind it.
        body += b"\t" * (len(body) == 2 * width - 1)
        plain = head and len(body) == 2 * width and b"\t" not in label
        heads.append(head)
        labels.append(label)
        bodies.append(body if plain else b"\t" * 2 * width)
    # A word and its tab are two bytes: one number.
    words = np.frombuffer(b"".join(bodies), "<u2").reshape(len(lines), width)
    is_one = words == _ONE
    regular = (is_one | (words == _ZERO)).all(axis=1).tolist()
    ones = np.flatnonzero(is_one)
    bounds = np.searchsorted(ones, np.arange(len(lines) + 1) * width).tolist()
    columns = (ones % width).tolist()
    for at, (number, line) in enumerate(lines):
        if regular[at]:
            yield _line(number, heads[at], labels[at], columns[bounds[at] : bounds[at + 1]])
        else:
            yield _any_line(number, line.split(), width)


def _any_line(number: int, fields: Sequence[bytes], width: int) -> _Line:
    """Return a line of any numbers, parted by any blanks. Raises BadPayload."""
    if len(fields) not in (width + 1, width + 2):
        raise _fault(
            "content",
            number,
            f"there are {len(fields):,} fields; an id, {width:,} words and perhaps a label are"
            " expected",
        )
    values = {}
    for place, word in enumerate(islice(fields, 1, width + 1)):
        if value := _number(word, number):
            values[place] = value
    return _line(number, fields[0], b"".join(fields[width + 1 :]), values)


def _number(word: bytes, number: int) -> float:
    try:
        # Python would take 1_000, and an infinity.
        value = math.nan if b"_" in word else float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _fault("content", number, f"the word {_shown(word)} is no number")
    if abs(value) > _LARGEST:
        raise _fault("content", number, f"the word {_shown(word)} is beyond single precision")
    return value


def _line(
    number: int, id: bytes, label: bytes, features: Sequence[int] | dict[int, float]
) -> _Line:
    try:
        name, title = id.decode(), label.decode()
    except UnicodeDecodeError as error:
        raise _fault("content", number, "the id or the label is not UTF-8") from error
    if len(name) > LONGEST_ID:
        raise _fault("content", number, f"the id is longer than {LONGEST_ID} characters")
    if has_controls(name):
        raise _fault("content", number, "the id has control characters")
    return _Line(number, name, title, features)


def _links(cites: bytes, ids: dict[str, int]) -> list[list[str]]:
    """Return the ids beside each node, sorted, each once. Raises BadPayload."""
    places = {id.encode(): place for id, place in ids.items()}
    text = cites.removeprefix(_MARK)
    lines = [line.split() for line in _distinct_lines(text)]
    ends = [places.get(end, -1) for end in chain.from_iterable(lines)]
    if -1 in ends or not set(map(len, lines)) <= {0, 2}:
        _refuse([line.split() for line in text.split(b"\n")], places)
    pairs = np.array(ends, np.int64).reshape(-1, 2)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    heads, tails = both[both[:, 0] != both[:, 1]].T
    names = sorted(ids)
    ranks = np.empty(len(names), np.int64)
    ranks[[ids[name] for name in names]] = np.arange(len(names))
    # One number per link sorts many times faster than two texts.
    keys = np.unique(heads * len(names) + ranks[tails])
    beside = [names[rank] for rank in (keys % len(names)).tolist()]
    bounds = np.searchsorted(keys, np.arange(len(names) + 1) * len(names)).tolist()
    return [beside[start:end] for start, end in pairwise(bounds)]


def _distinct_lines(text: bytes) -> set[bytes]:
    """Return each line once. A line that repeats takes no memory again."""
    lines: set[bytes] = set()
    rest = b""
    for start in range(0, len(text), _TEXT_BLOCK):
        *whole, rest = (rest + text[start : start + _TEXT_BLOCK]).split(b"\n")
        lines.update(whole)
    return lines | {rest}


def _refuse(lines: Sequence[Sequence[bytes]], places: Mapping[bytes, int]) -> NoReturn:
    """Raise BadPayload for the first line of the cites that is not a link."""
    number, fields = next(
        (number, fields)
        for number, fields in enumerate(lines, start=1)
        if len(fields) not in (0, 2) or not places.keys() >= set(fields)
    )
    if len(fields) != 2:
        raise _fault("cites", number, f"there are {len(fields):,} fields; two ids are expected")
    id = next(field for field in fields if field not in places)
    named = shown(id.decode(errors="surrogateescape"))
    raise _fault("cites", number, f"the content has no line of {named}")


def _shown(word: bytes) -> str:
    return shown(word.decode(errors="replace"))


def _fault(file: str, number: int, what: str) -> BadPayload:
    return BadPayload(f"{file} line {number}: {what}.")
