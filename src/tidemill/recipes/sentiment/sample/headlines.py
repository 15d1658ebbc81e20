"""Generated financial headlines, each negative, neutral or positive: the sample of `sentiment`.

A grammar writes them, so a label is true by construction. What makes them hard: good news is a
profit that rises as well as a loss that falls; a negation turns a verb round; of two clauses the
main one counts; and one in twenty-five leaves the reader to compare two figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tidemill.recipes.sentiment.sample import newsroom as words
from tidemill.recipes.shared import text_faults
from tidemill.recipes.shared.generated_texts import GeneratedSource, Genre, TextSample, examples
from tidemill.recipes.shared.voice import Speaker, Voice

__all__ = ["LABELS", "GeneratedSource", "Headlines", "Voice", "examples", "plant"]

LABELS = ("negative", "neutral", "positive")
SOURCE = "sample"


def write(speaker: Speaker, label: str) -> tuple[str, str]:
    """Return one headline of that sentiment."""
    company = f"{speaker.pick(words.FIRST)} {speaker.pick(words.SECOND)}"
    headline = _headline(speaker, company, label)
    if speaker.wordy:
        headline = f"{headline}, {_filled(speaker, speaker.pick(words.ASIDE))}"
    return f"{headline}.", SOURCE


def _headline(speaker: Speaker, company: str, label: str) -> str:
    kind = speaker.dice.between(0, 1)
    if label == "neutral":
        if kind < 0.75:
            return f"{company} {_event(speaker, label)}"
        measure = speaker.pick(words.GOOD if kind < 0.9 else words.BAD)
        return (
            f"{company}: {measure} {speaker.pick(words.FLAT)} {_amount(speaker)} {_when(speaker)}"
        )
    good = label == "positive"
    if kind < 0.25:
        return f"{company} {_event(speaker, label)}"
    if kind < 0.29:
        return f"{company}: {_compared(speaker, good)}"
    if kind < 0.36:
        return _contrast(speaker, company, good)
    return f"{company}: {_moved(speaker, good)} {_amount(speaker, 'to ')} {_when(speaker)}"


def _event(speaker: Speaker, label: str) -> str:
    return _filled(speaker, speaker.pick(words.EVENTS[label]))


def _moved(speaker: Speaker, good: bool) -> str:
    """Return a phrase about something that moved for the better or for the worse."""
    wanted = speaker.dice.chance(0.87)
    measure = speaker.pick(words.GOOD if wanted else words.BAD)
    negated = speaker.dice.chance(0.06)
    up = (good == wanted) != negated
    base, _, past = speaker.pick(words.UP if up else words.DOWN).partition(":")
    return f"{measure} did not {base}" if negated else f"{measure} {past}"


def _contrast(speaker: Speaker, company: str, good: bool) -> str:
    """Return two clauses that disagree. The one behind `although` does not count."""
    main, other = _moved(speaker, good), _moved(speaker, not good)
    if speaker.dice.chance(0.5):
        return f"{company}: {main} {_when(speaker)}, although {other}"
    return f"Although {other}, {main} {_when(speaker)} at {company}"


def _compared(speaker: Speaker, good: bool) -> str:
    """Return two figures, which the reader has to compare."""
    wanted = speaker.dice.chance(0.87)
    measure = speaker.pick(words.GOOD if wanted else words.BAD)
    low = speaker.dice.whole(11, 60)
    high = low + speaker.dice.whole(5, 39)
    now, before = (high, low) if good == wanted else (low, high)
    return (
        f"{measure} reached EUR {now} mn {_when(speaker)}, against EUR {before} mn a year earlier"
    )


def _amount(speaker: Speaker, preposition: str = "") -> str:
    figure = f"{speaker.dice.whole(1, 99)}.{speaker.dice.whole(0, 9)}"
    return f"{preposition}EUR {figure} mn"


def _when(speaker: Speaker) -> str:
    return f"in {speaker.one_of(words.PERIOD)}"


def _filled(speaker: Speaker, pattern: str) -> str:
    return pattern.format(
        thing=speaker.one_of(words.THING),
        city=speaker.one_of(words.CITY),
        period=speaker.one_of(words.PERIOD),
        number=f"{speaker.dice.whole(1, 99)}.{speaker.dice.whole(0, 9)}",
        count=speaker.dice.whole(11, 98) * 10,
        day=speaker.dice.whole(4, 20),
    )


@dataclass(frozen=True, slots=True)
class Headlines(TextSample):
    """Headlines for the target `sentiment`."""

    genre = Genre("headlines", "sentiment", LABELS, write)


def plant(folder: Path, *, seed: int = 0, each: int = 20) -> dict[str, tuple[str, ...]]:
    """Write train.csv, eval.csv and test.csv with faults; see `text_faults.plant`."""
    files = {"train": "train.csv", "val": "eval.csv", "test": "test.csv"}
    layout = text_faults.Layout(files, text="text", label="label")
    return text_faults.plant(folder, Headlines(seed), layout, each=each)
