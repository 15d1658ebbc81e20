"""A generated citation graph: papers of a few topics, their words, and whom they cite.

It replaces a published graph where none is available. A paper's topic is true by construction: most
of its links lead to papers of its topic, and some of its words are those of its topic. It is the
same on every machine, because all randomness uses whole numbers and comparisons (see `canvas`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain

from tidemill.codecs.nodes import node_payload
from tidemill.data.links import Links
from tidemill.data.random_stream import stream
from tidemill.domain.types import Example, Split, payload_id
from tidemill.recipes.shared.canvas import Dice
from tidemill.recipes.shared.sample_data import check_shares

TOPICS = ("grain_stones", "river_locks", "sail_rigs", "tide_tables", "water_wheels")
NEWCOMER = "ice_harvests"
"""A topic whose papers only some eras have, so that a model without them cannot predict it."""
TARGET = "topic"

GENERAL, OWN, LATER = 120, 20, 12
"""Words that every topic uses, and for each topic its own words and those of a later day."""
FEATURES = GENERAL + (len(TOPICS) + 1) * (OWN + LATER)
TOPICAL = 0.2
"""The share of topical words."""
HOMOPHILY = 0.6
"""The share of links that are drawn among papers of the same topic; the others are random."""
WORDS, LINKS = (6, 14), (1, 4)
"""The least and the most number of draws of a paper; repeats count once."""


@dataclass(frozen=True, slots=True)
class Era:
    """The knobs that make papers drift, each a share from 0 to 1.

    lost      links that a paper would have and has not
    reworded  topical words that are those of a later day, which no earlier paper uses
    arrived   papers of a community that was not there: the topic NEWCOMER

    Raises UsageError for a value that is no share.
    """

    lost: float = 0.0
    reworded: float = 0.0
    arrived: float = 0.0

    def __post_init__(self) -> None:
        check_shares("An era", asdict(self))


EARLY = Era()


@dataclass(frozen=True, slots=True)
class Citations:
    """Which graph: how many papers per split, from which seed, of which era.

    With `into`, the papers are new ones that cite those of that graph and not one another; their
    links are said by themselves alone.
    """

    seed: int = 0
    train: int = 600
    val: int = 400
    test: int = 2000
    era: Era = EARLY
    into: Citations | None = None

    @property
    def total(self) -> int:
        return self.train + self.val + self.test


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper before it is an example: `links` are those that it draws itself."""

    id: str
    topic: str
    words: tuple[int, ...]
    links: tuple[str, ...]


def papers(sample: Citations) -> list[Paper]:
    """Return every paper in order, topics in turn."""
    cited = _shelves(sample.into or sample)
    return [_paper(sample, number, cited) for number in range(sample.total)]


def examples(sample: Citations) -> Iterator[Example]:
    """Yield the papers as examples of the target `topic`, split by split, each with its links."""
    written = papers(sample)
    ids = [paper.id for paper in written]
    links = Links(ids)
    if sample.into is None:
        for paper in written:
            for other in paper.links:
                links.add(paper.id, other)
    splits: tuple[tuple[Split, int], ...] = (
        ("train", sample.train),
        ("val", sample.val),
        ("test", sample.test),
    )
    for paper, split in zip(
        written, chain.from_iterable([name] * count for name, count in splits), strict=True
    ):
        known = paper.links if sample.into else links.of(paper.id)
        payload = node_payload(paper.id, paper.words, known)
        yield Example(
            id=payload_id(payload),
            payload=payload,
            labels={TARGET: paper.topic},
            source="sample",
            origin=f"sample/{split}/{paper.id}",
            split=split,
        )


def _paper(sample: Citations, number: int, cited: dict[str, list[str]]) -> Paper:
    dice, era = Dice(stream("citations", sample.seed, number)), sample.era
    topic = _topic(sample, number)
    block = (*TOPICS, NEWCOMER).index(topic)
    # Every choice is drawn, also when a knob makes it ineffective, so that papers of two eras
    # differ by the era alone.
    words = set()
    for _ in range(dice.whole(*WORDS)):
        general, own, later = (dice.whole(0, count - 1) for count in (GENERAL, OWN, LATER))
        topical, reworded = dice.chance(TOPICAL), dice.chance(era.reworded)
        own_word = GENERAL + block * (OWN + LATER) + (OWN + later if reworded else own)
        words.add(own_word if topical else general)
    links = set()
    shelves = sorted(cited)
    for _ in range(dice.whole(*LINKS)):
        alike, lost = dice.chance(HOMOPHILY), dice.chance(era.lost)
        other = shelves[dice.whole(0, len(shelves) - 1)]
        shelf = cited[topic if alike and topic in cited else other]
        link = shelf[dice.whole(0, len(shelf) - 1)]
        if not lost:
            links.add(link)
    return Paper(_id(sample, number), topic, tuple(sorted(words)), tuple(sorted(links)))


def _topic(sample: Citations, number: int) -> str:
    share = sample.era.arrived
    newcomer = share and Dice(stream("community", sample.seed, number)).chance(share)
    return NEWCOMER if newcomer else TOPICS[number % len(TOPICS)]


def _id(sample: Citations, number: int) -> str:
    return f"{sample.seed}-{number:05d}"


def _shelves(sample: Citations) -> dict[str, list[str]]:
    """Return the ids of a graph's papers by topic."""
    shelves: dict[str, list[str]] = {}
    for number in range(sample.total):
        shelves.setdefault(_topic(sample, number), []).append(_id(sample, number))
    return shelves


class CitationSource:
    """A sample as a source. Fulfils `domain.ports.Source`; nothing of it is kept on disk."""

    name = "sample"

    def __init__(self, sample: Citations) -> None:
        self._sample = sample

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Do nothing: writing a graph is faster than reading one."""

    def examples(self) -> Iterator[Example]:
        """Return every paper; see `examples`."""
        return examples(self._sample)

    def __len__(self) -> int:
        return self._sample.total
