"""Two Chinese sentences begin alike and end oppositely. Does the model read the endings?

A language without blanks is one long word to a reader that goes by blanks.
"""

from __future__ import annotations

import numpy as np

from tests.cases.names import TextCodec
from tests.cases.verdict import falls_short, require

GRAMS = {"buckets": 65536, "word_max": 2, "char_min": 2, "char_max": 5, "max_grams": 4096}
BEGIN = (
    "公司今年销售额和去年相比变化很大分析师在周一的报告里说"
    "由于新工厂开工以及市场需求的变化预计下半年"
)
ENDS = ("利润将会大幅上涨股东非常满意", "亏损将会继续扩大股东非常失望")


@falls_short("data", "opposite endings give the same ids without a remark")
def test_the_end_of_a_text_without_blanks_is_read() -> None:
    codec = TextCodec.from_config({"form": "grams", **GRAMS})
    one, other = (codec.decode((BEGIN + end).encode()) for end in ENDS)
    shared = len(np.intersect1d(one.ids, other.ids))
    require(
        not np.array_equal(one.ids, other.ids) or bool(codec.remarks(one)),
        f"two sentences of {len(one.text)} characters with opposite endings share {shared} of"
        f" {len(one.ids)} ids, and {one.covered} characters are said to be read",
    )
