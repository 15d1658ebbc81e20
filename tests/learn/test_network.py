from __future__ import annotations

import pytest
import torch

from tidemill.learn.digest import weights_digest
from tidemill.learn.residual import ResidualCNN

MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.2, 0.2]


def test_it_has_about_a_third_of_a_million_weights() -> None:
    network = ResidualCNN({"disease": 5}, MEAN, STD)
    assert 300_000 < sum(p.numel() for p in network.parameters()) < 400_000


@pytest.mark.parametrize("size", [(112, 224), (48, 96), (32, 32)])
def test_two_targets_and_an_embedding_at_every_size(size: tuple[int, int]) -> None:
    network = ResidualCNN({"keys": 5, "plant": 2}, MEAN, STD, width=8).eval()
    with torch.inference_mode():
        outputs = network(image=torch.zeros(3, *size, 3, dtype=torch.uint8))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "embedding": (3, 32),
        "logits_keys": (3, 5),
        "logits_plant": (3, 2),
    }


def test_the_seed_decides_the_initial_weights_and_nothing_else() -> None:
    state = torch.get_rng_state()
    first, second, other = (
        weights_digest(ResidualCNN({"a": 2}, MEAN, STD, width=8, seed=seed).state_dict())
        for seed in (0, 0, 1)
    )
    assert first == second != other
    assert torch.equal(torch.get_rng_state(), state)


def test_pixels_are_normalised_inside() -> None:
    network = ResidualCNN({"a": 2}, MEAN, STD, width=8)
    images_read: list[torch.Tensor] = []
    network.stem.register_forward_pre_hook(lambda _, inputs: images_read.append(inputs[0]))
    network(torch.full((2, 32, 32, 3), 255, dtype=torch.uint8))
    expected = torch.tensor([(1 - m) / s for m, s in zip(MEAN, STD, strict=True)])
    torch.testing.assert_close(images_read[0][0, :, 4, 4], expected)


def test_the_digest_sees_names_shapes_and_every_bit() -> None:
    base = {"a": torch.zeros(4), "b": torch.ones(2)}
    digest = weights_digest(base)
    assert weights_digest(dict(reversed(base.items()))) == digest
    assert weights_digest({**base, "a": torch.zeros(2, 2)}) != digest
    assert weights_digest({**base, "a": torch.tensor([0.0, 0, 0, -0.0])}) != digest
    assert weights_digest({"a": base["a"], "c": base["b"]}) != digest
    assert weights_digest({**base, "b": torch.ones(2, dtype=torch.float64)}) != digest


def test_the_digest_ignores_how_weights_lie_in_memory() -> None:
    kernel = torch.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4).float()
    other = kernel.to(memory_format=torch.channels_last)
    assert weights_digest({"k": kernel}) == weights_digest({"k": other})


@pytest.mark.parametrize("width", [8, 24])
def test_large_images_are_learned_from_without_a_crash(width: int) -> None:
    # A first convolution of fewer than 16 channels corrupts memory here, in torch 2.13 on a CPU.
    network = ResidualCNN({"a": 2}, MEAN, STD, width=width).train()
    for _ in range(2):
        outputs = network(torch.zeros(16, 112, 224, 3, dtype=torch.uint8))
        outputs["logits_a"].sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
