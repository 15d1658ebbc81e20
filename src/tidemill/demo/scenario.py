"""What the story is told about: leaves, headlines, questions. The claims are the same for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemill.demo.clients import Form
from tidemill.domain.types import Example


@dataclass(frozen=True, slots=True)
class World:
    """A recipe with generated data, and how its people ask. Every number is fixed beforehand.

    recipe   whose default data is generated, with a train, a val and a test
    items    what its examples are called, in the plural
    change   what is another one from some day on, such as the camera
    changed  so many examples from then on, of a seed; no training sample holds any of them
    plant    writes data with faults into a new folder; gives each fault's origins by its name
    faulty   the overrides that read such a folder, and refuse what is wrong with it
    form     how a client asks about a payload
    bulky    as many payloads, so large that a log of 2 MiB holds some of 500 and not all
    show     one payload as HTML
    second   overrides that train a version other than the champion and no worse
    taught   how many changed examples people label; `unseen` others nobody ever does
    within   predictions within which the change has to be noticed
    """

    recipe: str
    items: str
    change: str
    changed: Callable[[int, int], list[Example]]
    plant: Callable[[Path], Mapping[str, Sequence[str]]]
    faulty: Callable[[Path], tuple[str, ...]]
    form: Form
    bulky: Callable[[Sequence[bytes]], list[bytes]]
    show: Callable[[bytes], str]
    second: tuple[str, ...]
    taught: int = 450
    unseen: int = 300
    within: int = 400
