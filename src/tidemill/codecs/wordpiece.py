"""Word pieces by a saved tokenizer, the input of a pretrained language model."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidemill.domain.errors import Unavailable, UsageError

try:
    from tokenizers import Tokenizer
except ImportError:
    # The other forms of a text need no tokenizer.
    Tokenizer = None  # type: ignore[assignment, misc]

LONGEST = 10
"""The number of characters tokenised for each token. English has four or five for each."""


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The pieces of one text: `ids` int64 [t], the tokenizer's marks at both ends included.

    `characters` of the text were read; fewer than it has when it was cut. `unknown` counts the
    pieces that the vocabulary has no name for.
    """

    ids: npt.NDArray[np.int64]
    characters: int
    unknown: int


class WordPieces:
    """A tokenizer that cuts and never pads, whatever its file says. Threads may share one.

    `saved` is the JSON text of the tokenizers library (a model's `tokenizer.json`); `max_tokens`
    counts the marks that it adds. Raises UsageError when it cannot be opened, or when nothing but
    the marks would fit, and Unavailable without the extra `wordpiece`.
    """

    def __init__(self, saved: str, max_tokens: int) -> None:
        if Tokenizer is None:
            raise Unavailable(
                "This model reads word pieces, which need tokenizers; it is not installed.",
                hint="pip install 'tidemill[wordpiece]'",
            )
        try:
            tokenizer = Tokenizer.from_str(saved)
        except Exception as error:  # the library raises nothing narrower
            raise UsageError(
                f"The tokenizer cannot be opened: {error}.",
                hint="Give the text of a model's tokenizer.json.",
            ) from error
        self.marks: int = tokenizer.num_special_tokens_to_add(is_pair=False)
        if max_tokens <= self.marks:
            raise UsageError(
                f"The tokenizer adds {self.marks} marks to a text, and max_tokens is {max_tokens}.",
                hint="Choose a max_tokens that leaves room for the text.",
            )
        # These settings belong to the object, so they are set once, before any thread uses it.
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens)
        # A payload that contains the text of a mark, such as "[SEP]", means its letters.
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self.max_characters = max_tokens * LONGEST
        self._unknown = _unknown(tokenizer, saved)

    def read(self, text: str) -> Pieces:
        """Return the pieces of a text, at most `max_tokens` of its first 10 characters for each.

        So the cost does not depend on the length of the text.
        """
        head = text[: self.max_characters]
        encoding = self._tokenizer.encode(head)
        ids = encoding.ids
        characters = len(head)
        # Only a full encoding may have an overflow, and to look takes half as long as to tokenize.
        if len(ids) == self._max_tokens and encoding.overflowing:
            characters = max((end for _, end in encoding.offsets), default=0)
        return Pieces(
            ids=np.array(ids, dtype=np.int64),
            characters=characters,
            unknown=0 if self._unknown is None else ids.count(self._unknown),
        )


def _unknown(tokenizer: Tokenizer, saved: str) -> int | None:
    """Return the id of unknown pieces; none for a tokenizer without unknown pieces."""
    model = json.loads(saved)["model"]
    number: int | None = model.get("unk_id")
    name: str | None = model.get("unk_token")
    return number if name is None else tokenizer.token_to_id(name)
