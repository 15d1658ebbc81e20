"""The repeats in the real financial sentences, from their fingerprints alone.

The files come from the folder that TIDEMILL_REAL_DATA names.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from tidemill.codecs.text import TextCodec

REAL = os.environ.get("TIDEMILL_REAL_DATA", "")
SENTIMENT = Path(REAL) / "sentiment"

pytestmark = pytest.mark.skipif(
    not REAL or not SENTIMENT.is_dir(), reason="TIDEMILL_REAL_DATA names no folder with sentiment/"
)


@pytest.fixture(scope="module")
def codec() -> TextCodec:
    return TextCodec.from_config(
        {
            "form": "grams",
            "buckets": 4096,
            "word_max": 1,
            "char_min": 1,
            "char_max": 0,
            "max_grams": 512,
        }
    )


def rows(file: str, text: str, label: str) -> list[tuple[bytes, str]]:
    with (SENTIMENT / file).open(encoding="utf-8", newline="") as lines:
        return [(row[text].encode(), row[label]) for row in csv.DictReader(lines)]


def test_texts_that_occurred_before(codec: TextCodec) -> None:
    labels: dict[str, set[str]] = {}
    same = other = 0
    for payload, label in rows("data.csv", "Sentence", "Sentiment"):
        known = labels.setdefault(codec.fingerprint(payload).exact, set())
        same += label in known
        other += bool(known) and label not in known
        known.add(label)
    assert (same, other) == (6, 514)


def test_texts_in_more_than_one_split(codec: TextCodec) -> None:
    train, test, judged = (
        {codec.fingerprint(payload).exact for payload, _ in rows(f"seed_splits/{name}.csv", *own)}
        for name in ("train", "test", "eval")
        for own in (("text", "label"),)
    )
    assert (len(train & test), len(train & judged), len(test & judged)) == (92, 78, 14)


def test_few_are_near_and_these_share_their_words(codec: TextCodec) -> None:
    texts = sorted({payload for payload, _ in rows("data.csv", "Sentence", "Sentiment")})
    near = np.array([codec.fingerprint(text).near for text in texts], dtype=np.uint64)
    apart = np.bitwise_count(near[:, None] ^ near[None, :])
    left, right = np.nonzero(np.triu(apart <= 3, k=1))
    assert len(left) == 4
    for one, other in zip(left.tolist(), right.tolist(), strict=True):
        words = [set(texts[at].lower().split()) for at in (one, other)]
        assert len(words[0] & words[1]) >= 0.6 * len(words[0] | words[1])
