"""Parts of the text scenarios: generated sentences in the plain and in the changed voice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

from tidemill.demo.scenario import Scenario
from tidemill.domain.types import Example
from tidemill.recipes.shared.generated_texts import TextSample, examples
from tidemill.recipes.shared.voice import VOICES
from tidemill.testing.clients import as_text

BULK = 8_000
"""Characters of an enlarged text: 500 of them are four megabytes."""


def build_scenario(
    recipe: str,
    sample: type[TextSample],
    plant: Callable[[Path], Mapping[str, Sequence[str]]],
    *,
    second_overrides: tuple[str, ...],
) -> Scenario:
    """Build the scenario of a recipe whose default data is this sample."""

    def shifted_examples(seed: int, count: int) -> list[Example]:
        voice = VOICES["changed"]
        return list(examples(sample(seed, train=0, val=0, test=count, voice=voice)))

    return Scenario(
        recipe=recipe,
        examples_noun=sample.genre.name,
        change="voice",
        shifted_examples=shifted_examples,
        plant_faults=plant,
        faulty_overrides=read_faulty,
        request_format=as_text,
        enlarge=enlarge,
        render=render,
        second_overrides=second_overrides,
    )


def read_faulty(folder: Path) -> tuple[str, ...]:
    """Return the overrides that read a folder of CSV files and refuse every fault."""
    return ("data=files", f"data.path={folder}", "checks.policy=stop")


def enlarge(payloads: Sequence[bytes]) -> list[bytes]:
    """Repeat each text until it is long."""
    return [b" ".join([text] * (BULK // len(text))) for text in payloads]


def render(payload: bytes) -> str:
    """Return the text, quoted."""
    return f"<q>{escape(payload.decode())}</q><br>"
