"""The data and the clients of one recipe in the demo. The claims are the same for all recipes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemill.domain.types import Example
from tidemill.testing.clients import PayloadFormat


@dataclass(frozen=True, slots=True)
class Scenario:
    """A recipe with generated data, and how its clients send it. Every number is fixed.

    recipe            its default data is generated, with a train, a val and a test split
    examples_noun     what its examples are called, in the plural
    change            what changes from some day on, such as the camera
    shifted_examples  (seed, count): examples after the change; none is in the training data
    plant_faults      writes data with faults into a new folder; the origins of each fault by name
    faulty_overrides  the overrides that read such a folder and refuse its faults
    request_format    how a client sends a payload
    enlarge           as many payloads, so large that a log of 2 MiB holds only some of 500
    render            one payload as HTML
    second_overrides  train a second version that is no worse than the champion
    labelled          how many shifted examples get a label
    unlabelled        how many other shifted examples never get one
    detection_limit   predictions within which drift must be detected
    """

    recipe: str
    examples_noun: str
    change: str
    shifted_examples: Callable[[int, int], list[Example]]
    plant_faults: Callable[[Path], Mapping[str, Sequence[str]]]
    faulty_overrides: Callable[[Path], tuple[str, ...]]
    request_format: PayloadFormat
    enlarge: Callable[[Sequence[bytes]], list[bytes]]
    render: Callable[[bytes], str]
    second_overrides: tuple[str, ...]
    labelled: int = 450
    unlabelled: int = 300
    detection_limit: int = 400
