"""A snapshot that grows: its parent's rows, and what people have said since.

The parent's rows keep their splits for good. What was held back stays held back under the label it
had, unless that label was feedback itself; and nothing that resembles it is learnt from. Nor does
what joins judge by what resembles something learnt. Other bytes of a content that is there already,
such as a text with a newline behind it or a node with other links, are that row and never a second
one: the row keeps its own bytes. A row that had no label was only seen beside others, so its first
one puts it where a new example would go.

What one target is said to be may say something of others: a recipe tells by `Merge`, and what it
makes of a label is judged as if it had been said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tidemill.data import splits
from tidemill.data.inspection import Fingerprints, Inspected, Inspection
from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.errors import BadPayload, Corrupt, DataError, NotFound
from tidemill.domain.types import Example, Labels, Snapshot, Split

SOURCE = "feedback"
"""The source of every row whose label somebody gave while the model was serving."""

Merge = Callable[[Labels, Labels], Labels]
"""The labels of an example that had the first ones, none if it is new, and was said the second.

Raises DataError when they contradict each other.
"""


def overlaid(known: Labels, said: Labels) -> Labels:
    """Each target for itself: what is said takes the place of what was known."""
    return {**known, **said}


@dataclass(frozen=True, slots=True)
class Accepted:
    """One example and the labels that were accepted for it.

    `feedback` are the ids behind the labels, one for each. `payload` gets the bytes, and is asked
    twice at most, so that one payload is in memory at a time.
    """

    feedback: tuple[str, ...]
    example: str
    labels: Labels
    payload: Callable[[], bytes] = field(repr=False)

    @property
    def first(self) -> str:
        """The id of the feedback that came first: ids rise with time."""
        return min(self.feedback)

    @property
    def last(self) -> str:
        """The id of the feedback that came last."""
        return max(self.feedback)


@dataclass(frozen=True, slots=True)
class Growth:
    """What came of it: the snapshot, the feedback that changed it, and why the rest did not.

    The snapshot is the parent itself exactly when nothing was taken.
    """

    snapshot: Snapshot
    taken: tuple[str, ...]
    left: Mapping[str, str]


def grow(
    parent: OpenSnapshot,
    items: Sequence[Accepted],
    codec: Fingerprints,
    store: SnapshotStore,
    *,
    recipe: str,
    near_distance: int,
    at: datetime,
    merge: Merge = overlaid,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Growth:
    """The parent with what was accepted: new examples in new rows, new labels in rows it has.

    Items are about different examples; their order does not matter. A new example goes where its
    near-duplicates are, else where its hash says. One that resembles a test row is left out, for
    test never grows, and so is one that resembles both what is learnt and what is held back. In
    train, an example that is there already gets its new label, and so it does in val and fresh
    where its row came from feedback. A row without labels needs one of every target, as a new
    example does: those that `merge` makes of what was said. What it finds contradicting is left
    out. A new example of a content that a row has counts as that row.
    Of one content comes one row: the bytes that were given first, the labels that were given
    last. `progress` hears of the readings done, and of how many there are. Raises what
    `SnapshotStore.write` raises, and Corrupt when the parent cannot be read.
    """
    plan = _Plan(parent, sorted(items, key=lambda item: item.first), merge)
    plan.look(codec, progress)
    plan.place(splits.join(plan.settle(), near_distance=near_distance))
    if not plan.taken:
        return Growth(parent.snapshot, (), plan.left)
    snapshot = store.write(
        plan.rows(progress),
        recipe=recipe,
        policy=parent.snapshot.policy,
        parent=parent.snapshot.id,
        at=at,
    )
    return Growth(snapshot, tuple(sorted(plan.taken)), plan.left)


class _Plan:
    """What is to become of each item; knows the parent's short texts, and no payload."""

    def __init__(self, parent: OpenSnapshot, items: Sequence[Accepted], merge: Merge) -> None:
        self.parent = parent
        self.merge = merge
        self.left: dict[str, str] = {}
        self.taken: list[str] = []
        self._known: list[Accepted] = []
        self._relabelled: dict[str, Accepted] = {}
        self._joining: dict[str, Accepted] = {}
        self._rows: list[Inspected] = []
        self._new: dict[str, Inspected] = {}
        self._splits: Mapping[str, Split] = {}
        self._sort(items)
        looked = parent.count() + len(self._joining) if self._joining else 0
        self._all = looked + parent.count() + len(self._joining)

    def _sort(self, items: Sequence[Accepted]) -> None:
        """Tell new examples from those that the parent has, without looking at any payload."""
        wanted = {item.example for item in items}
        held = [row for row in self.parent.rows(payloads=False) if row.id in wanted]
        self._rows = [_inspected(row, None) for row in held]
        there = {row.id for row in held}
        for item in items:
            if fault := self._unknown(item.labels):
                self._leave(item, fault)
            elif item.example in there:
                self._known.append(item)
            else:
                self._joining[item.example] = item

    def _unknown(self, labels: Labels) -> str:
        """Which label the parent does not have; empty when it has all."""
        for target, label in sorted(labels.items()):
            if label not in self.parent.classes.get(target, ()):
                return f"The snapshot knows no label {label!r} of {target!r}."
        return ""

    def _fault(self, item: Accepted, rows: Sequence[Inspected]) -> str:
        """Why the item cannot be taken; empty when it can. `rows` are those that it is about."""
        known: list[Labels] = [row.labels for row in rows] or [{}]
        try:
            merged = [dict(self.merge(labels, item.labels)) for labels in known]
        except DataError as error:
            return error.message
        for before, after in zip(known, merged, strict=True):
            if not before and (lacking := sorted(set(self.parent.classes) - set(after))):
                return f"It says nothing about {', '.join(lacking)}."
        for row in rows:
            if row.split != "train" and row.source != SOURCE:
                return f"The example is held back in {row.split}, with the label it had."
        if merged == known:
            return "The snapshot has this label already."
        return next(filter(None, map(self._unknown, merged)), "")

    def look(self, codec: Fingerprints, progress: Callable[[int, int], None]) -> None:
        """Fingerprints of every row of the parent and of what would join it, if anything would."""
        if not self._joining:
            return
        self._rows = []
        for row in self.parent.rows():
            self._rows.append(_inspected(row, codec))
            progress(len(self._rows), self._all)
        compared = len(self._rows)
        for done, item in enumerate(list(self._joining.values()), start=compared + 1):
            try:
                self._new[item.example] = _inspected(_example(item, item.payload()), codec)
            except (BadPayload, Corrupt, NotFound) as error:
                self._leave(item, error.message)
                del self._joining[item.example]
            progress(done, self._all)

    def settle(self) -> Inspection:
        """One item for each content; the parent's rows, and those that are to join them."""
        contents = self._contents()
        about: dict[str, list[Accepted]] = defaultdict(list)
        for item in (*self._known, *self._joining.values()):
            about[contents.get(item.example, item.example)].append(item)
        held: dict[str, list[Inspected]] = defaultdict(list)
        for row in self._rows:
            held[contents.get(row.id, row.id)].append(row)
        self._joining = {}
        for content, items in about.items():
            item, rows = _merged(items), held.get(content, [])
            if fault := self._fault(item, rows):
                self._leave(item, fault)
            elif rows:
                self._relabelled |= dict.fromkeys((row.id for row in rows), item)
                self.taken += item.feedback
            else:
                labels = self.merge({}, item.labels)
                self._joining[item.example] = replace(item, labels=labels)
        joining = [self._new[id] for id in self._joining]
        return Inspection((*self._rows, *joining) if joining else ())

    def _contents(self) -> Mapping[str, str]:
        """By id, the exact fingerprint of what would join and of the rows that have the same.

        Of everything else the id is the content: what the parent keeps under two ids stays two.
        """
        contents = {row.id: _exact(row) for row in self._new.values()}
        new = set(contents.values())
        return contents | {row.id: _exact(row) for row in self._rows if _exact(row) in new}

    def place(self, chosen: Mapping[str, Split]) -> None:
        """Take the new examples into their splits, but for those that no split can take."""
        self._splits = chosen
        for item in list(self._joining.values()):
            split = chosen.get(_origin(item))
            if split not in (None, "test"):
                self.taken += item.feedback
                continue
            held_back = "an example in test, which never grows"
            both = "examples in train and others that are held back"
            self._leave(item, f"It resembles {held_back if split else both}.")
            del self._joining[item.example]

    def rows(self, progress: Callable[[int, int], None]) -> Iterator[Example]:
        """Every row of the snapshot, one payload at a time."""
        done = self._all - self.parent.count() - len(self._joining)
        written: set[tuple[str, Split | None]] = set()
        for row in self.parent.rows():
            item = self._relabelled.get(row.id)
            # Where the parent kept an example under several labels, one row takes their place.
            if item is None:
                yield row
            elif (row.id, row.split) not in written:
                written.add((row.id, row.split))
                labels = self.merge(row.labels, item.labels)
                split = row.split if row.labels else splits.by_hash_joined(row.id)
                yield replace(row, labels=labels, split=split, source=SOURCE, origin=_origin(item))
            done += 1
            progress(done, self._all)
        for item in self._joining.values():
            split = self._splits[_origin(item)]
            yield replace(_example(item, item.payload()), split=split)
            done += 1
            progress(done, self._all)

    def _leave(self, item: Accepted, reason: str) -> None:
        self.left |= dict.fromkeys(item.feedback, reason)


def _inspected(row: Example, codec: Fingerprints | None) -> Inspected:
    print_ = codec.fingerprint(row.payload) if codec else None
    return Inspected(row.id, dict(row.labels), row.split, row.source, row.origin, print_)


def _exact(row: Inspected) -> str:
    return row.fingerprint.exact if row.fingerprint else ""


def _merged(items: Sequence[Accepted]) -> Accepted:
    """What was accepted for one content, as one: the first example, with the latest labels."""
    labels: dict[str, str] = {}
    for item in sorted(items, key=lambda item: item.last):
        labels |= item.labels
    feedback = tuple(id for item in items for id in item.feedback)
    return replace(min(items, key=lambda item: item.first), feedback=feedback, labels=labels)


def _example(item: Accepted, payload: bytes) -> Example:
    return Example(item.example, payload, item.labels, SOURCE, _origin(item))


def _origin(item: Accepted) -> str:
    return f"{SOURCE}/{item.first}"
