"""The measurements on real texts: which recipe learns which rows how, and what is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from bench.row import Row, Shift
from tidemill.data.row_files import open_rows
from tidemill.data.rows import cell_text


def texts(file: str, place: Path, _test: Sequence[bytes]) -> list[bytes]:
    """The texts of a file, in an order that has nothing to do with theirs."""
    rows = open_rows(place / file).read(["text"])
    payloads = [cell_text(row.values["text"]).encode() for row in rows]
    return [payloads[at] for at in np.random.default_rng(0).permutation(len(payloads))]


SEED_SPLITS = ("data=files", "data.path={real}/sentiment/seed_splits", "checks.policy=keep")
WHOLE = (
    "data=files",
    "data.path={real}/sentiment/data.csv",
    "data.text=Sentence",
    "data.label=Sentiment",
)
CLEAN, LEAKY = (*WHOLE, "checks.policy=majority"), (*WHOLE, "checks.policy=keep")
"""The same rows without and with their repeats: the difference is what the conflicts are worth."""
AGREED = (
    "data=files",
    "data.path={real}/sentiment/phrasebank.csv",
    "data.where={{min_agreement: 100}}",
    "data.test=0.2",
    "data.seed={seed}",
    "checks.policy=majority",
)
ETHICS = ("data=files", "data.path={real}/ethics")
ELSEWHERE = (
    Shift("rt_polarity", partial(texts, "text_drift/rt_polarity.csv")),
    Shift("ag_news_test", partial(texts, "text_drift/ag_news_test.csv")),
)
POSTS = (Shift("fiqa", partial(texts, "sentiment/fiqa.csv")),)

ROWS = (
    Row(
        "seed_splits_ngram",
        "sentiment",
        "seed_splits, policy keep",
        "given",
        "ngram",
        SEED_SPLITS,
        accuracy=0.67,
        seconds=60,
        shifts=ELSEWHERE,
    ),
    Row(
        "phrasebank_ngram",
        "sentiment",
        "PhraseBank, agreement 100, policy majority",
        "stratified 80/20",
        "ngram",
        AGREED,
        accuracy=0.86,
        shifts=POSTS,
    ),
    Row(
        "commonsense_ngram",
        "lucky",
        "commonsense short, policy majority on train",
        "given",
        "ngram",
        (*ETHICS, "data.subsets=[commonsense]"),
        accuracy=0.66,
    ),
    Row("whole_ngram", "sentiment", "data.csv, policy majority", "hash", "ngram", CLEAN),
    Row("whole_keep_ngram", "sentiment", "data.csv, policy keep", "hash", "ngram", LEAKY),
    Row(
        "seed_splits_minilm",
        "sentiment",
        "seed_splits, policy keep",
        "given",
        "minilm",
        SEED_SPLITS,
        accuracy=0.76,
        seconds=240,
        shifts=ELSEWHERE,
    ),
    Row(
        "phrasebank_minilm",
        "sentiment",
        "PhraseBank, agreement 100, policy majority",
        "stratified 80/20",
        "minilm",
        (*AGREED, "train.epochs=4"),
        accuracy=0.93,
        shifts=POSTS,
    ),
    Row(
        "commonsense_minilm",
        "lucky",
        "commonsense short, policy majority on train",
        "given",
        "minilm",
        (*ETHICS, "data.subsets=[commonsense]", "train.epochs=3"),
        accuracy=0.77,
        seconds=240,
    ),
    Row("whole_minilm", "sentiment", "data.csv, policy majority", "hash", "minilm", CLEAN),
    Row("whole_keep_minilm", "sentiment", "data.csv, policy keep", "hash", "minilm", LEAKY),
    Row(
        "lucky_merged_minilm",
        "lucky",
        "boolq, strategyqa, commonsense, justice, merged",
        "given",
        "minilm",
        (*ETHICS, "train.epochs=1"),
        seeds=(0,),
    ),
)
