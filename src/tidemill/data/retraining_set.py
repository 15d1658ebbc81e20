"""A snapshot that is extended by accepted feedback.

The parent's rows keep their splits. A held-out row keeps its label, unless that label was feedback
itself. Near-duplicates of held-out rows are not trained on, and near-duplicates of training rows do
not judge. A payload with the content of a parent's row counts as that row, which keeps its own
bytes; examples are a text with an added newline, and a node with other links. A row without labels
was only context, so its first label puts it into the split of a new example.

A label of one target may imply labels of other targets. A recipe states this in a `Merge`, and the
implied labels are checked in the same way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tidemill.data import splits
from tidemill.data.inspection import Fingerprints, InspectedExample, Inspection
from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.errors import BadPayload, Corrupt, DataError, NotFound
from tidemill.domain.types import Example, Labels, Snapshot, Split

SOURCE = "feedback"
"""The source of every row whose label is feedback."""

Merge = Callable[[Labels, Labels], Labels]
"""Merge the known labels of an example (none for a new one) with its feedback.

Raises DataError when they contradict each other.
"""


def overlay_labels(known: Labels, feedback: Labels) -> Labels:
    """Merge target by target: feedback replaces what was known."""
    return {**known, **feedback}


@dataclass(frozen=True, slots=True)
class AcceptedLabels:
    """One example and the labels that were accepted for it.

    `feedback` has the id behind each label. `payload` returns the bytes. It is called at most
    twice, so that one payload is in memory at a time.
    """

    feedback: tuple[str, ...]
    example: str
    labels: Labels
    payload: Callable[[], bytes] = field(repr=False)

    @property
    def first(self) -> str:
        """The id of the earliest feedback: ids rise with time."""
        return min(self.feedback)

    @property
    def last(self) -> str:
        """The id of the latest feedback."""
        return max(self.feedback)


@dataclass(frozen=True, slots=True)
class RetrainingSet:
    """The extended snapshot, the feedback in it, and why the rest of the feedback is not.

    The snapshot is the parent exactly when `feedback` is empty. `omissions` gives a reason per id.
    """

    snapshot: Snapshot
    feedback: tuple[str, ...]
    omissions: Mapping[str, str]


def extend_snapshot(
    parent: OpenSnapshot,
    accepted: Sequence[AcceptedLabels],
    codec: Fingerprints,
    store: SnapshotStore,
    *,
    recipe: str,
    near_distance: int,
    at: datetime,
    merge: Merge = overlay_labels,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> RetrainingSet:
    """Add accepted feedback to a snapshot: new rows for new examples, new labels for known ones.

    The entries of `accepted` are about different examples, in any order. A new example joins the
    split of its near-duplicates, else the split of its hash. Near-duplicates of test rows are
    omitted, because test is never extended. Near-duplicates of both a training row and a held-out
    row are omitted, too. A known example in train gets its new label. One in val or fresh gets it
    only when its row came from feedback. A new example, and a row without labels, need a label of
    every target, including those that `merge` adds. Contradictory labels are omitted. A new example
    with the content of a known row counts as that row. Examples with the same content become one
    row with the first bytes and the last labels.

    `progress` receives the number of finished reads and of all reads. Raises what
    `SnapshotStore.write` raises, and Corrupt when the parent cannot be read.
    """
    plan = _Plan(parent, sorted(accepted, key=lambda entry: entry.first), merge)
    plan.fingerprint_rows(codec, progress)
    plan.assign_splits(splits.assign_joining(plan.resolve_contents(), near_distance=near_distance))
    if not plan.feedback:
        return RetrainingSet(parent.snapshot, (), plan.omissions)
    snapshot = store.write(
        plan.rows(progress),
        recipe=recipe,
        policy=parent.snapshot.policy,
        parent=parent.snapshot.id,
        at=at,
    )
    return RetrainingSet(snapshot, tuple(sorted(plan.feedback)), plan.omissions)


class _Plan:
    """Decides about each entry. Holds the short texts of the parent's rows, and no payload."""

    def __init__(
        self, parent: OpenSnapshot, accepted: Sequence[AcceptedLabels], merge: Merge
    ) -> None:
        self.parent = parent
        self.merge = merge
        self.omissions: dict[str, str] = {}
        self.feedback: list[str] = []
        self._known: list[AcceptedLabels] = []
        self._relabelled: dict[str, AcceptedLabels] = {}
        self._joining: dict[str, AcceptedLabels] = {}
        self._rows: list[InspectedExample] = []
        self._new: dict[str, InspectedExample] = {}
        self._splits: Mapping[str, Split] = {}
        self._sort(accepted)
        inspected = parent.count() + len(self._joining) if self._joining else 0
        self._all = inspected + parent.count() + len(self._joining)

    def _sort(self, accepted: Sequence[AcceptedLabels]) -> None:
        """Separate new examples from those that the parent has, without reading any payload."""
        wanted = {entry.example for entry in accepted}
        rows = [row for row in self.parent.rows(payloads=False) if row.id in wanted]
        self._rows = [_inspect(row, None) for row in rows]
        known = {row.id for row in rows}
        for entry in accepted:
            if fault := self._unknown_label(entry.labels):
                self._omit(entry, fault)
            elif entry.example in known:
                self._known.append(entry)
            else:
                self._joining[entry.example] = entry

    def _unknown_label(self, labels: Labels) -> str:
        """Return a sentence about a label that the parent lacks; empty when it has all."""
        for target, label in sorted(labels.items()):
            if label not in self.parent.classes.get(target, ()):
                return f"The snapshot has no class {label!r} of {target!r}."
        return ""

    def _fault(self, entry: AcceptedLabels, rows: Sequence[InspectedExample]) -> str:
        """Return why the entry is omitted, or an empty text. `rows` are its rows in the parent."""
        known: list[Labels] = [row.labels for row in rows] or [{}]
        try:
            merged = [dict(self.merge(labels, entry.labels)) for labels in known]
        except DataError as error:
            return error.message
        for before, after in zip(known, merged, strict=True):
            if not before and (lacking := sorted(set(self.parent.classes) - set(after))):
                return f"It has no label of {', '.join(lacking)}."
        for row in rows:
            if row.split != "train" and row.source != SOURCE:
                return f"The example is held out in {row.split} and keeps its label."
        if merged == known:
            return "The snapshot has this label already."
        return next(filter(None, map(self._unknown_label, merged)), "")

    def fingerprint_rows(self, codec: Fingerprints, progress: Callable[[int, int], None]) -> None:
        """Fingerprint the parent's rows and the new examples, if there are new examples."""
        if not self._joining:
            return
        self._rows = []
        for row in self.parent.rows():
            self._rows.append(_inspect(row, codec))
            progress(len(self._rows), self._all)
        compared = len(self._rows)
        for done, entry in enumerate(list(self._joining.values()), start=compared + 1):
            try:
                self._new[entry.example] = _inspect(_example(entry, entry.payload()), codec)
            except (BadPayload, Corrupt, NotFound) as error:
                self._omit(entry, error.message)
                del self._joining[entry.example]
            progress(done, self._all)

    def resolve_contents(self) -> Inspection:
        """Choose one entry for each content. Return the parent's rows and the new examples."""
        contents = self._contents()
        entries_of: dict[str, list[AcceptedLabels]] = defaultdict(list)
        for entry in (*self._known, *self._joining.values()):
            entries_of[contents.get(entry.example, entry.example)].append(entry)
        rows_of: dict[str, list[InspectedExample]] = defaultdict(list)
        for row in self._rows:
            rows_of[contents.get(row.id, row.id)].append(row)
        self._joining = {}
        for content, entries in entries_of.items():
            entry, rows = _combine(entries), rows_of.get(content, [])
            if fault := self._fault(entry, rows):
                self._omit(entry, fault)
            elif rows:
                self._relabelled |= dict.fromkeys((row.id for row in rows), entry)
                self.feedback += entry.feedback
            else:
                labels = self.merge({}, entry.labels)
                self._joining[entry.example] = replace(entry, labels=labels)
        joining = [self._new[id] for id in self._joining]
        return Inspection((*self._rows, *joining) if joining else ())

    def _contents(self) -> Mapping[str, str]:
        """Return, by id, the exact fingerprint of each new example and of the rows that share it.

        For every other row the id is the content: two ids in the parent are two contents.
        """
        contents = {row.id: _exact(row) for row in self._new.values()}
        new = set(contents.values())
        return contents | {row.id: _exact(row) for row in self._rows if _exact(row) in new}

    def assign_splits(self, chosen: Mapping[str, Split]) -> None:
        """Put the new examples into their splits; omit those that fit into no split."""
        self._splits = chosen
        for entry in list(self._joining.values()):
            split = chosen.get(_origin(entry))
            if split not in (None, "test"):
                self.feedback += entry.feedback
                continue
            test = "an example in test, which is never extended"
            both = "examples in train and of others that are held out"
            self._omit(entry, f"It is a near-duplicate of {test if split else both}.")
            del self._joining[entry.example]

    def rows(self, progress: Callable[[int, int], None]) -> Iterator[Example]:
        """Yield every row of the new snapshot, one payload at a time."""
        done = self._all - self.parent.count() - len(self._joining)
        written: set[tuple[str, Split | None]] = set()
        for row in self.parent.rows():
            entry = self._relabelled.get(row.id)
            # One row replaces the several rows of an example with several labels.
            if entry is None:
                yield row
            elif (row.id, row.split) not in written:
                written.add((row.id, row.split))
                labels = self.merge(row.labels, entry.labels)
                split = row.split if row.labels else splits.joining_split(row.id)
                yield replace(row, labels=labels, split=split, source=SOURCE, origin=_origin(entry))
            done += 1
            progress(done, self._all)
        for entry in self._joining.values():
            split = self._splits[_origin(entry)]
            yield replace(_example(entry, entry.payload()), split=split)
            done += 1
            progress(done, self._all)

    def _omit(self, entry: AcceptedLabels, reason: str) -> None:
        self.omissions |= dict.fromkeys(entry.feedback, reason)


def _inspect(row: Example, codec: Fingerprints | None) -> InspectedExample:
    fingerprint = codec.fingerprint(row.payload) if codec else None
    return InspectedExample(
        row.id, dict(row.labels), row.split, row.source, row.origin, fingerprint
    )


def _exact(row: InspectedExample) -> str:
    return row.fingerprint.exact if row.fingerprint else ""


def _combine(entries: Sequence[AcceptedLabels]) -> AcceptedLabels:
    """Merge the entries of one content: the first example with the latest labels."""
    labels: dict[str, str] = {}
    for entry in sorted(entries, key=lambda entry: entry.last):
        labels |= entry.labels
    feedback = tuple(id for entry in entries for id in entry.feedback)
    return replace(min(entries, key=lambda entry: entry.first), feedback=feedback, labels=labels)


def _example(entry: AcceptedLabels, payload: bytes) -> Example:
    return Example(entry.example, payload, entry.labels, SOURCE, _origin(entry))


def _origin(entry: AcceptedLabels) -> str:
    return f"{SOURCE}/{entry.first}"
