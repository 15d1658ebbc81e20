from __future__ import annotations

import torch

from tidemill.learn.augment import augment


def _images() -> torch.Tensor:
    return torch.randint(0, 256, (8, 32, 48, 3), generator=torch.Generator().manual_seed(0)).to(
        torch.uint8
    )


def _augmented(seed: int, *, jitter: float, warp: float) -> torch.Tensor:
    return augment(_images(), torch.Generator().manual_seed(seed), jitter=jitter, warp=warp)


def test_bytes_in_bytes_out_by_its_own_generator() -> None:
    torch.manual_seed(1)
    first = _augmented(0, jitter=0.2, warp=0.2)
    torch.manual_seed(2)
    assert torch.equal(first, _augmented(0, jitter=0.2, warp=0.2))
    assert not torch.equal(first, _augmented(1, jitter=0.2, warp=0.2))
    assert first.dtype == torch.uint8
    assert first.shape == _images().shape


def test_without_strength_images_are_only_flipped() -> None:
    for before, after in zip(_images(), _augmented(0, jitter=0, warp=0), strict=True):
        flips = [before.flip(axes) for axes in ((), (0,), (1,), (0, 1))]
        assert any(torch.equal(after, flip) for flip in flips)


def test_the_input_is_left_alone() -> None:
    images = _images()
    augment(images, torch.Generator().manual_seed(0), jitter=0.3, warp=0.3)
    assert torch.equal(images, _images())
