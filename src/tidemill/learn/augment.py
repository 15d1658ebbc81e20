"""Change training images at random without making their labels wrong. Not used in evaluation."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional


def augment(
    images: Tensor, generator: Generator, *, jitter: float, warp: float, flip: bool = True
) -> Tensor:
    """Flip, warp and recolour each image of a batch, independently of the others.

    `images` and the result are uint8 [n, h, w, 3]. With `flip`, every image is flipped left-right
    and upside-down with probability one half each. `warp` limits rotation (radians) and zoom; the
    shift is at most a quarter of it, as a part of the side. `jitter` limits the relative change of
    brightness, contrast and saturation. 0 disables either.
    """
    pixels = images.permute(0, 3, 1, 2).float() / 255
    if flip:
        pixels = _flipped(pixels, generator)
    if warp:
        pixels = _warped(pixels, generator, warp)
    if jitter:
        pixels = _recoloured(pixels, generator, jitter)
    # Back to bytes, so that training uses the same rounding as the exported graph.
    return (pixels * 255).round().to(torch.uint8).permute(0, 2, 3, 1)


def _flipped(pixels: Tensor, generator: Generator) -> Tensor:
    for axis in (2, 3):
        chosen = torch.rand(len(pixels), 1, 1, 1, generator=generator) < 0.5
        pixels = torch.where(chosen, pixels.flip(axis), pixels)
    return pixels


def _warped(pixels: Tensor, generator: Generator, strength: float) -> Tensor:
    """Rotate, zoom and shift; new borders show the mirrored image instead of black."""
    n, _, height, width = pixels.shape
    draw = strength * (2 * torch.rand(4, n, generator=generator) - 1)
    angle, zoom, right, down = draw[0], 1 + draw[1], draw[2] / 2, draw[3] / 2
    cos, sin, aspect = torch.cos(angle) * zoom, torch.sin(angle) * zoom, height / width
    rows = (torch.stack([cos, -sin * aspect, right], 1), torch.stack([sin / aspect, cos, down], 1))
    grid = functional.affine_grid(torch.stack(rows, 1), [n, 3, height, width], align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)


def _recoloured(pixels: Tensor, generator: Generator, strength: float) -> Tensor:
    factors = 1 + strength * (2 * torch.rand(3, len(pixels), 1, 1, 1, generator=generator) - 1)
    brightness, contrast, saturation = factors
    pixels = pixels * brightness
    pixels = torch.lerp(pixels.mean((1, 2, 3), keepdim=True), pixels, contrast)
    pixels = torch.lerp(pixels.mean(1, keepdim=True), pixels, saturation)
    return pixels.clamp(0, 1)
