"""What the generators' grammar knows of a text: its label, and what would change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from tests.behaviour import moves
from tests.behaviour.moves import Kind
from tidemill.recipes.lucky.sample.questions import Questions
from tidemill.recipes.sentiment.sample.headlines import Headlines
from tidemill.recipes.shared.generated_texts import TextSample, compose

SEED = 77
"""The seed of the test texts; training texts have seed 0."""


@dataclass(frozen=True)
class Grammar:
    """The grammar of one recipe.

    Of the kinds of move, those that `turn` decide the answer by themselves; those that `lean` only
    make their label more probable; those `beyond` are what a bag of n-grams cannot follow: a pair
    of words decides, and it can only add up what each says. `plain` are short sentences that need
    no thought.
    """

    target: str
    sample: type[TextSample]
    turn: Sequence[Kind]
    lean: Sequence[Kind]
    beyond: Sequence[Kind]
    plain: Mapping[str, Sequence[str]]

    @property
    def labels(self) -> tuple[str, ...]:
        return self.sample.genre.labels

    def fresh(self, label: str, count: int) -> list[str]:
        """Return `count` different texts of a label."""
        drawn = (compose(self.sample(SEED), "test", n, label)[0] for n in range(2 * count))
        return list(islice(dict.fromkeys(drawn), count))

    def mixed(self, count: int) -> list[str]:
        """Return `count` texts, with the labels in turn."""
        each = -(-count // len(self.labels))
        rows = zip(*(self.fresh(label, each) for label in self.labels), strict=True)
        return [text for row in rows for text in row][:count]


GRAMMARS = {
    "lucky": Grammar(
        target="answer",
        sample=Questions,
        turn=(
            moves.never_becomes_always,
            moves.wrong_becomes_fine,
            moves.leave_is_not_given,
        ),
        lean=(),
        beyond=(moves.question_is_turned,),
        plain={
            "yes": (
                "Does a sparrow cast a shadow at noon?",
                "Would a hammer get wet in the rain?",
                "Can a bus take up some room?",
                "Is it fine if I thank my aunt?",
                "Is it all right to help a stranger?",
                "May I water the plants of my boss?",
            ),
            "no": (
                "Does a sparrow pay taxes?",
                "Would a hammer speak Latin?",
                "Can a bus vote in an election?",
                "Is it fine if I lie to my aunt?",
                "Is it all right to steal from a stranger?",
                "May I read the diary of my boss?",
            ),
        },
    ),
    "sentiment": Grammar(
        target="sentiment",
        sample=Headlines,
        turn=(moves.profit_falls, moves.profit_rises),
        lean=(
            moves.rise_is_denied,
            moves.fall_is_denied,
            moves.bad_news_is_added,
            moves.good_news_is_added,
        ),
        beyond=(moves.debt_rises,),
        plain={
            "negative": (
                "Operating profit fell.",
                "Net sales declined in the first quarter.",
                "Vega Paper lays off people in Turku.",
                "Tarn Bank issues a profit warning.",
                "Credit losses rose.",
            ),
            "neutral": (
                "Vega Paper publishes its report.",
                "Tarn Bank moves its office to Riga.",
                "Lumen Steel appoints a new head of cheese.",
                "Net sales remained at EUR 4 mn.",
                "Birka Foods holds its meeting in Lyon.",
            ),
            "positive": (
                "Operating profit rose.",
                "Net sales increased in the first quarter.",
                "Vega Paper wins an order for pumps.",
                "Tarn Bank pays an extra dividend.",
                "Credit losses fell.",
            ),
        },
    ),
}
