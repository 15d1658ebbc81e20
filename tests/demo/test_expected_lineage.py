"""The judge's own lineage, and that it notices whatever a look-up gets wrong."""

from __future__ import annotations

import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tidemill import provenance
from tidemill.demo.claim import ClaimFailed
from tidemill.demo.demo_run import current_code
from tidemill.demo.expected_lineage import check_look_up, find_difference
from tidemill.testing.clients import Reply, ReplyAnswer

EXPECTED = {
    "version": "v1",
    "run": "r1",
    "config": {"seed": 0, "train": {"epochs": 5}},
    "code": {"package": "abc", "revision": "def"},
}
SHARES = {"rust": 0.75, "spot": 0.25}
REPLY = Reply("leaf", 0.0, 1.0, 200, "", "p1", "v1", (ReplyAnswer("disease", "", "rust", SHARES),))
LOOK_UP: dict[str, Any] = {
    "example": "leaf",
    "version": "v1",
    "answers": [{"target": "disease", "item": "", "label": "rust", "probabilities": SHARES}],
    "lineage": {
        **EXPECTED,
        "code": {**EXPECTED["code"], "tidemill": "0.1.0"},  # type: ignore[dict-item]
        "bundle": "not compared",
    },
}


def test_a_look_up_may_contain_more_than_expected() -> None:
    check_look_up(REPLY, LOOK_UP, EXPECTED)


@pytest.mark.parametrize(
    ("path", "value", "difference"),
    [
        (("example",), "another leaf", "example is 'another leaf', not 'leaf'"),
        (("version",), "v2", "version is"),
        (("answers", 0, "label"), "spot", "/disease label is 'spot'"),
        (("answers", 0, "probabilities", "rust"), 0.7500001, "probabilities.rust is"),
        (("answers", 0, "probabilities", "miner"), 0.0, "probabilities.miner is 0.0, not None"),
        (("answers", 0, "target"), "plant", "answers is ['/plant'], not ['/disease']"),
        (("answers", 0, "item"), "35", "answers is ['35/disease'], not ['/disease']"),
        (("lineage", "run"), "r2", "lineage.run is"),
        (("lineage", "config", "train", "epochs"), 9, "lineage.config.train.epochs is 9, not 5"),
        (("lineage", "config", "more"), 1, "lineage.config.more is 1, not None"),
        (("lineage", "code", "revision"), "", "code.revision is '', not 'def'"),
        (("lineage", "config"), None, "lineage.config is None"),
    ],
)
def test_a_wrong_value_in_a_look_up_is_named(
    path: tuple[str | int, ...], value: object, difference: str
) -> None:
    look_up = deepcopy(LOOK_UP)
    place: Any = look_up
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ClaimFailed, match="look-up of p1 is wrong") as failure:
        check_look_up(REPLY, look_up, EXPECTED)
    assert difference in str(failure.value)


def test_nothing_differs_from_itself() -> None:
    assert find_difference(EXPECTED, deepcopy(EXPECTED), "it") == ""


def test_the_current_code_is_that_of_the_checkout(tmp_path: Path) -> None:
    assert current_code(tmp_path) == {"package": provenance.package_digest(), "revision": ""}
    (tmp_path / "file").write_text("one")
    for words in (
        ["init", "-q"],
        ["add", "file"],
        ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "first"],
    ):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    head = subprocess.check_output(["git", "log", "--format=%H"], cwd=tmp_path, text=True)
    assert current_code(tmp_path)["revision"] == head.strip()
