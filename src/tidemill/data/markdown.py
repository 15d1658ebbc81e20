"""Describe a snapshot in Markdown, with the figures that a review of a pull request needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.data.statistics import describe_snapshot
from tidemill.domain.types import Example

SAMPLES = 3
"""The number of texts shown of each source."""
SHOWN = 80
"""The number of characters shown of a text."""


def render_markdown(opened: OpenSnapshot) -> str:
    """Return rows per source and split, labels per split, and a few texts of each source.

    The same snapshot gives the same text. Content of the data is escaped and cannot act as
    Markdown. A source whose payloads are not text shows none. Raises Corrupt.
    """
    statistics = describe_snapshot(opened)
    splits = list(statistics["splits"])
    sizes = {split: statistics["splits"][split]["rows"] for split in splits}
    lines = [
        f"# Data of {_escaped(statistics['recipe'])}",
        "",
        f"Snapshot `{statistics['id'][:12]}`, {statistics['rows']:,} examples, policy"
        f" {_escaped(statistics['policy'])}.",
        "",
        *_table("source", splits, statistics["slices"], sizes, of_all=True),
    ]
    for target in opened.classes:
        counts: dict[str, dict[str, int]] = {}
        for split in splits:
            for label, count in statistics["splits"][split]["labels"][target].items():
                counts.setdefault(label, {})[split] = count
        lines += ["", f"## {_escaped(target)}", "", *_table("label", splits, counts, sizes)]
    for source, texts in _texts(opened, statistics["sources"]).items():
        lines += ["", f"## Samples of {_escaped(source)}", "", *texts]
    return "\n".join(lines) + "\n"


def _table(
    first: str,
    splits: Sequence[str],
    counts: Mapping[str, Mapping[str, int]],
    sizes: Mapping[str, int],
    *,
    of_all: bool = False,
) -> list[str]:
    """Return a row for each name: its count and its share in each split."""
    total = sum(sizes.values())
    lines = [_row([first, *splits, "all"]), "|---|" + "---:|" * (len(splits) + 1)]
    for name, row in counts.items():
        cells = [_share(row.get(split, 0), sizes[split]) for split in splits]
        lines.append(_row([_escaped(name), *cells, _share(sum(row.values()), total)]))
    if of_all:
        cells = [_share(sizes[split], total) for split in splits]
        lines.append(_row(["all", *cells, f"{total:,}"]))
    return lines


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _share(count: int, of: int) -> str:
    return f"{count:,} ({count / of:.1%})" if of else "0"


def _texts(opened: OpenSnapshot, sources: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the first texts of each source that has texts, in the snapshot's order."""
    shown: dict[str, list[str]] = {source: [] for source in sources}
    wanted = {source: min(SAMPLES, count) for source, count in sources.items()}
    for example in opened.rows():
        if len(shown[example.source]) == wanted[example.source]:
            continue
        text = _text(example.payload)
        if text is None:
            wanted[example.source] = len(shown[example.source])
        else:
            shown[example.source].append(f"- {_labelled(example)}: {_code(text)}")
        if all(len(shown[source]) == wanted[source] for source in wanted):
            break
    return {source: texts for source, texts in shown.items() if texts}


def _text(payload: bytes) -> str | None:
    """Return a payload as one line of text, shortened if it is long; None when it is not text."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    line = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def _labelled(example: Example) -> str:
    return ", ".join(_escaped(label) for _, label in sorted(example.labels.items()))


def _code(text: str) -> str:
    """Return a code span, in which Markdown, HTML, mentions and links have no effect."""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}"


def _escaped(name: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>()#+\-.!|~@&])", r"\\\1", " ".join(name.split()))
