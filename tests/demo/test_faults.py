"""The faults that the slow tests plant still fit the sources."""

from __future__ import annotations

from pathlib import Path

import pytest

import tidemill
from tests.demo.faults import FAULTS
from tidemill.demo.judge import CLAIMS

SOURCES = Path(tidemill.__file__).parent


def test_every_claim_has_a_fault() -> None:
    assert {fault.claim for fault in FAULTS.values()} == {claim.id for claim in CLAIMS}


@pytest.mark.parametrize("name", FAULTS)
def test_the_line_of_a_fault_is_in_the_sources(name: str) -> None:
    fault = FAULTS[name]
    text = (SOURCES / fault.file).read_text(encoding="utf-8")
    assert text.count(fault.right) == 1, f"{fault.file} no longer has this line"
