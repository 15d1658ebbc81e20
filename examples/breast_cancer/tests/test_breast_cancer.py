"""What this recipe promises before anything is trained."""

from __future__ import annotations

import torch
from tidemill.workspace.planning import plan

from breast_cancer.network import build
from breast_cancer.tumours import TARGET, Tumours

RECIPE, EXPERIMENT = plan("breast_cancer")
CODEC = RECIPE.codec(EXPERIMENT.tree())


def test_the_columns_are_those_of_the_data() -> None:
    examples = list(Tumours().examples())
    assert len(examples) == len(Tumours()) == 569
    assert {example.labels[TARGET] for example in examples} == {"benign", "malignant"}
    arrays = CODEC.encode([CODEC.decode(example.payload) for example in examples])
    assert arrays["numbers"].shape == (569, 30)
    assert arrays["present"].all()


def test_the_network_takes_a_row() -> None:
    classes = {TARGET: ("benign", "malignant")}
    [example, *_] = Tumours().examples()
    arrays = CODEC.encode([CODEC.decode(example.payload)])
    network = build(EXPERIMENT.tree(), classes).eval()
    outputs = network(**{name: torch.from_numpy(array) for name, array in arrays.items()})
    assert outputs[f"logits_{TARGET}"].shape == (1, 2)
