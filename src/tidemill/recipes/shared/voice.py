"""The wording of a generated sentence: the knobs that make live texts drift."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from tidemill.recipes.shared.canvas import Dice
from tidemill.recipes.shared.sample_data import check_shares

EMOTICONS = (":)", ":(", ":D", ";)", ":/", "xD", "<3", "^^")
"""Drawn whatever the sentence says, so that they move the features and tell nothing."""


@dataclass(frozen=True, slots=True)
class Voice:
    """The knobs, each a share from 0 to 1; the default is the plain voice.

    slang    sentences in the other vocabulary: other names, other words for the same things
    casual   sentences in lower case without a final mark, half of them with an emoticon
    shout    sentences in upper case
    wordy    sentences with an aside more
    typos    words of five letters or more with a slip of the fingers

    Raises UsageError for a value that is no share.
    """

    slang: float = 0.0
    casual: float = 0.0
    shout: float = 0.0
    wordy: float = 0.25
    typos: float = 0.0

    def __post_init__(self) -> None:
        check_shares("A voice", asdict(self))


PLAIN = Voice()
VOICES: dict[str, Voice] = {
    "plain": PLAIN,
    "changed": Voice(slang=0.6, casual=0.5, shout=0.05, wordy=0.1, typos=0.03),
}
"""The voice a model learns from, and one that it has not heard."""


@dataclass(frozen=True, slots=True)
class Words:
    """Choices for one place of a sentence, in the plain and in the other vocabulary."""

    plain: tuple[str, ...]
    slang: tuple[str, ...]


class Speaker:
    """Words one sentence; all chance comes from `dice`."""

    def __init__(self, dice: Dice, voice: Voice) -> None:
        self.dice = dice
        self._voice = voice
        self._slang = dice.chance(voice.slang)
        self.wordy = dice.chance(voice.wordy)

    def pick(self, words: Words) -> str:
        """Return one of the words of this sentence's vocabulary."""
        return self.one_of(words.slang if self._slang else words.plain)

    def one_of(self, words: tuple[str, ...]) -> str:
        """Return any of the words, each with the same probability."""
        return words[self.dice.whole(0, len(words) - 1)]

    def say(self, sentence: str) -> str:
        """Return the sentence as this voice puts it: a capital first, slips, register."""
        text = " ".join(self._slip(word) for word in sentence.split())
        text = text[:1].upper() + text[1:]
        if self.dice.chance(self._voice.shout):
            return text.upper()
        if self.dice.chance(self._voice.casual):
            text = text.lower().rstrip(".!?")
            return f"{text} {self.one_of(EMOTICONS)}" if self.dice.chance(0.5) else text
        return text

    def _slip(self, word: str) -> str:
        if len(word) < 5 or not word.isalpha() or not self.dice.chance(self._voice.typos):
            return word
        at = self.dice.whole(1, len(word) - 2)
        before, letter, after = word[:at], word[at], word[at + 1 :]
        slips = (
            before + after,
            before + letter + letter + after,
            before + after[0] + letter + after[1:],
        )
        return self.one_of(slips)
