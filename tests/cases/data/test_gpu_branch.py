"""The training module moves to another device than the CPU. Do all its parts come along?

The device `meta` stands for an accelerator; it refuses a mixture of devices as one would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch

from tests.cases.training_names import NGramNetwork, TrainModule, TrainPlan, augment
from tests.cases.verdict import falls_short, require

DEVICE = "meta"
AUGMENTATIONS: Mapping[str, tuple[float, float, bool]] = {
    "flips": (0.0, 0.0, True),
    "warps": (0.0, 0.2, False),
    "colours": (0.2, 0.0, False),
}
"""Jitter, warp and flip of each."""


def fault(act: Callable[[], object]) -> str:
    """What an accelerator says against an action, empty when it can be done."""
    try:
        act()
    except (RuntimeError, NotImplementedError) as error:
        return str(error).splitlines()[0][:80]
    return ""


def augment_on_device(jitter: float, warp: float, flip: bool) -> torch.Tensor:
    images = torch.zeros(2, 8, 8, 3, dtype=torch.uint8, device=DEVICE)
    return augment(images, torch.Generator(), jitter=jitter, warp=warp, flip=flip)


def faults_by_part() -> dict[str, str]:
    network, plan = NGramNetwork({"topic": 2}, buckets=16, dim=4), TrainPlan(epochs=1)
    module = TrainModule(network, plan, steps=10, generator=torch.Generator().manual_seed(0))
    module.to(DEVICE)
    averaged = next(module.average.network.parameters()).device.type
    return {
        "the averaged network": "" if averaged == DEVICE else "it stays behind",
        "the average": fault(lambda: module.average.follow(module.network)),
        **{name: fault(partial(augment_on_device, *row)) for name, row in AUGMENTATIONS.items()},
    }


@falls_short("data", "5 of 5 parts of a training stay on the CPU when the network moves")
def test_all_parts_of_a_training_follow_the_network_to_its_device() -> None:
    faults = faults_by_part()
    failing = [f"{part} ({words})" for part, words in faults.items() if words]
    require(
        not failing,
        f"on another device {len(failing)} of {len(faults)} parts fail: {'; '.join(failing)}",
    )
