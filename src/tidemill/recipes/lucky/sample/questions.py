"""Generated questions with the answer yes or no: the sample data of `lucky`.

Two slices. `facts` asks whether something holds of a thing, `judgements` whether an act is fine.
The answer follows from `almanac`, so it is true by construction. What makes them hard: of some
facts thing and predicate decide only together, some acts are fine with leave alone, and some
questions are put the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tidemill.recipes.lucky.sample import almanac
from tidemill.recipes.sentiment.sample.newsroom import CITY
from tidemill.recipes.shared import text_faults
from tidemill.recipes.shared.generated_texts import GeneratedSource, Genre, TextSample, examples
from tidemill.recipes.shared.voice import Speaker, Voice

__all__ = ["LABELS", "GeneratedSource", "Questions", "Voice", "examples", "plant"]

LABELS = ("no", "yes")
TURNED = 0.05
"""The share of questions that are put the other way round."""
TOGETHER = 0.13
"""The share of facts that depend on the thing as well as on the predicate."""


def write(speaker: Speaker, label: str) -> tuple[str, str]:
    """Return one question with that answer, and its slice."""
    yes = label == "yes"
    if speaker.dice.chance(0.5):
        question, source = _fact(speaker, yes), "facts"
    else:
        question, source = _judgement(speaker, yes), "judgements"
    opening = _filled(speaker, speaker.pick(almanac.OPENING))
    aside = _filled(speaker, speaker.pick(almanac.ASIDE)) if speaker.wordy else ""
    return f"{opening} {question} {aside}".strip(), source


def _fact(speaker: Speaker, yes: bool) -> str:
    turned = speaker.dice.chance(TURNED)
    holds = yes != turned
    kinds = tuple(almanac.THINGS)
    predicate = almanac.ALWAYS if holds else almanac.NEVER
    if speaker.dice.chance(TOGETHER):
        predicate, true_of = almanac.FACTS[speaker.dice.whole(0, len(almanac.FACTS) - 1)]
        kinds = tuple(kind for kind in kinds if (kind in true_of) == holds)
    thing = speaker.pick(almanac.THINGS[speaker.one_of(kinds)])
    pattern = speaker.one_of(almanac.ASK_NOT if turned else almanac.ASK)
    return pattern.format(thing=thing, holds=speaker.pick(predicate))


def _judgement(speaker: Speaker, yes: bool) -> str:
    turned = speaker.dice.chance(TURNED)
    fine = yes != turned
    if speaker.dice.chance(0.3):
        leave = speaker.pick(almanac.WITH_LEAVE if fine else almanac.WITHOUT_LEAVE)
        act = f"{speaker.pick(almanac.BORROW)} {leave}"
    else:
        act = speaker.pick(almanac.FINE if fine else almanac.WRONG)
    pattern = speaker.one_of(almanac.MAY_NOT if turned else almanac.MAY)
    return pattern.format(act=act.format(who=speaker.one_of(almanac.WHO)))


def _filled(speaker: Speaker, pattern: str) -> str:
    return pattern.format(
        name=speaker.one_of(almanac.NAME[::2]),
        other=speaker.one_of(almanac.NAME[1::2]),
        city=speaker.one_of(CITY),
        day=speaker.one_of(almanac.DAY),
        count=speaker.dice.whole(2, 60),
    )


@dataclass(frozen=True, slots=True)
class Questions(TextSample):
    """Questions for the target `answer`."""

    genre = Genre("questions", "answer", LABELS, write)


def plant(folder: Path, *, seed: int = 0, each: int = 20) -> dict[str, tuple[str, ...]]:
    """Write strategyqa_train.csv and strategyqa_test.csv with faults; see `text_faults.plant`."""
    layout = text_faults.Layout(
        {"train": "strategyqa_train.csv", "test": "strategyqa_test.csv"},
        text="input",
        label="label",
        values={"no": "0", "yes": "1"},
        prefix="strategyqa/",
    )
    return text_faults.plant(folder, Questions(seed), layout, each=each)
