"""What the worlds of texts share: generated sentences in the plain and in the changed voice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

from tidemill.demo.clients import as_text
from tidemill.demo.scenario import World
from tidemill.domain.types import Example
from tidemill.recipes.shared.generated_texts import TextSample, examples
from tidemill.recipes.shared.voice import VOICES

BULK = 8_000
"""Characters of a bulky text: 500 of them are four megabytes."""


def world(
    recipe: str,
    sample: type[TextSample],
    plant: Callable[[Path], Mapping[str, Sequence[str]]],
    *,
    second: tuple[str, ...],
) -> World:
    """The world of a recipe whose default data is such a sample."""

    def changed(seed: int, count: int) -> list[Example]:
        voice = VOICES["changed"]
        return list(examples(sample(seed, train=0, val=0, test=count, voice=voice)))

    return World(
        recipe=recipe,
        items=sample.genre.name,
        change="voice",
        changed=changed,
        plant=plant,
        faulty=faulty,
        form=as_text,
        bulky=bulky,
        show=show,
        second=second,
    )


def faulty(folder: Path) -> tuple[str, ...]:
    """A folder of CSV files. A recipe may waive faults by default; here none is."""
    return ("data=files", f"data.path={folder}", "checks.policy=stop")


def bulky(payloads: Sequence[bytes]) -> list[bytes]:
    """Each text said again and again."""
    return [b" ".join([text] * (BULK // len(text))) for text in payloads]


def show(payload: bytes) -> str:
    """The text, quoted."""
    return f"<q>{escape(payload.decode())}</q><br>"
