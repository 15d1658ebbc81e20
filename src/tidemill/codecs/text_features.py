"""Measures of texts: drift features, and a hash that similar texts share."""

from __future__ import annotations

import re
import string
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

WORD = re.compile(r"\w+")
_DIGITS, _CAPITALS, _MARKS = (
    kind.encode() for kind in (string.digits, string.ascii_uppercase, string.punctuation)
)
_ASCII = bytes(range(128))

_Hashes = npt.NDArray[np.uint64]


def features(text: str) -> dict[str, float]:
    """Return measures of a text on one line with single blanks and at least one character.

    `characters` and `words` are counts, `word_length` is characters per word. The others are
    shares of the characters, 0 to 1: `digits`, `capitals` and `punctuation` are those of ASCII,
    `non_ascii` are all outside it.
    """
    # A server computes this for every answer. Deleting bytes and counting the rest runs in C.
    coded = text.encode()
    characters = len(text)
    blanks = text.count(" ")

    def share(kind: bytes) -> float:
        return (len(coded) - len(coded.translate(None, kind))) / characters

    return {
        "characters": float(characters),
        "words": float(blanks + 1),
        "word_length": (characters - blanks) / (blanks + 1),
        "digits": share(_DIGITS),
        "capitals": share(_CAPITALS),
        "punctuation": share(_MARKS),
        "non_ascii": 1 - share(_ASCII),
    }


def similarity_hash(text: str) -> int:
    """Return a 64-bit hash of a text; texts that share most words in the same order differ in few
    bits.

    Simhash (M. S. Charikar, "Similarity Estimation Techniques from Rounding Algorithms", STOC 2002,
    section 3) over the lower-cased words and the pairs of neighbours, repetitions counted: each bit
    is the majority among the features' own hashes. Case and punctuation play no part, unless there
    is nothing else. The same text gives the same hash on every machine.
    """
    words = WORD.findall(text.lower()) or [text]
    known = {word: blake2b(word.encode(), digest_size=8).digest() for word in set(words)}
    single = np.frombuffer(b"".join(known[word] for word in words), dtype="<u8")
    hashes = np.concatenate([single, _mixed(_mixed(single[:-1]) + single[1:])])
    bits = np.unpackbits(hashes.astype(">u8").view(np.uint8)).reshape(len(hashes), 64)
    above = 2 * bits.sum(axis=0, dtype=np.int64) > len(hashes)
    return int.from_bytes(np.packbits(above).tobytes(), "big")


def _mixed(values: _Hashes) -> _Hashes:
    """Return the finaliser of SplitMix64 (G. L. Steele et al., OOPSLA 2014).

    Every bit of the input affects every bit of the result.
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
