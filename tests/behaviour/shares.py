"""How often a service behaves as expected.

Each takes whatever answers texts, so that a broken model can be asked as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tests.behaviour.moves import Move
from tests.behaviour.service import Ask, Chances, top


def share_of(ask: Ask, texts: Sequence[str], label: str) -> float:
    """Return the share of texts with this predicted label."""
    return _share(top(row) == label for row in ask(texts))


def agreed(ask: Ask, texts: Sequence[str], change: Callable[[str], str]) -> float:
    """Return the share of texts whose label stays after the change."""
    changed = ask([change(text) for text in texts])
    return _share(top(a) == top(b) for a, b in zip(ask(texts), changed, strict=True))


def gap(ask: Ask, texts: Sequence[str], change: Callable[[str], str]) -> float:
    """Return the largest change of a probability when the texts change."""
    return apart(ask(texts), ask([change(text) for text in texts]))


def apart(some: Sequence[Chances], others: Sequence[Chances]) -> float:
    """Return the largest difference between two lists of answers."""
    pairs = zip(some, others, strict=True)
    return max(abs(a[name] - b[name]) for a, b in pairs for name in a)


def raised(ask: Ask, moves: Sequence[Move]) -> float:
    """Return the share of moves that raise the probability of their label."""
    before, after = ask([move.before for move in moves]), ask([move.after for move in moves])
    rows = zip(moves, before, after, strict=True)
    return _share(late[move.label] > early[move.label] for move, early, late in rows)


def turned(ask: Ask, moves: Sequence[Move]) -> float:
    """Return the share of moves whose label becomes the prediction."""
    after = ask([move.after for move in moves])
    return _share(top(row) == move.label for move, row in zip(moves, after, strict=True))


def _share(outcomes: Iterable[bool]) -> float:
    row = list(outcomes)
    return sum(row) / len(row)
