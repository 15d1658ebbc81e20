"""Painted leaves of two plants under an old and a new camera: three answers to each."""

from __future__ import annotations

from tidemill.cli.story.clients import as_file
from tidemill.cli.story.world import World
from tidemill.cli.story.worlds.coffee import CAMERA, faulty, show
from tidemill.data.samples.leaves import Sample
from tidemill.data.samples.plants import examples, plant
from tidemill.domain.types import Example
from tidemill.workshop.planning import plan


def changed(seed: int, count: int) -> list[Example]:
    """Leaves as the new camera sees them."""
    codec = plan("plants")[1].codec
    size = (codec["width"], codec["height"])
    return list(examples(Sample(seed, train=0, val=0, anchor=count, size=size, camera=CAMERA)))


WORLD = World(
    recipe="plants",
    items="leaves",
    change="camera",
    changed=changed,
    plant=plant,
    faulty=faulty,
    form=as_file,
    bulky=list,
    show=show,
    second=("train.epochs=12",),
)
