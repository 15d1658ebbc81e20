"""The symptoms, modelled on what the four troubles of coffee leaves look like.

`PAINTERS` maps a label to what paints it over a healthy leaf. Each draws its own severity, and
some leaves are barely touched: those are the honestly hard ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tidemill.recipes.shared.blade import Blade, Pose
from tidemill.recipes.shared.canvas import Canvas, Colour, Dice, Disc, Field, clip

Painter = Callable[[Canvas, Dice, Blade], None]


def paint_nothing(canvas: Canvas, dice: Dice, blade: Blade) -> None:
    """Leave the leaf healthy: every leaf has blemishes, and this one has no symptoms."""


def paint_miner(canvas: Canvas, dice: Dice, blade: Blade) -> None:
    """Leaf miner: winding brown mines that run together, with a dark rim and dead middle."""
    discs: list[Disc] = []
    size = _severity(dice)
    for _ in range(dice.whole(1, 4)):
        x, y = _inside(dice, blade.pose, 0.12, 0.85, 0.75)
        dx, dy = dice.between(-1, 1), dice.between(-1, 1)
        for _ in range(dice.whole(4, 9)):
            discs.append((x, y, size * dice.between(1.2, 3.4)))
            dx, dy = 0.6 * dx + dice.between(-0.8, 0.8), 0.6 * dy + dice.between(-0.8, 0.8)
            x, y = x + dx * 3.4 * size, y + dy * 3.4 * size
    depth = canvas.discs(discs) + (canvas.noise(1.8) - 0.5) * 2.4
    brown = dice.mix((0.56, 0.40, 0.24), (0.36, 0.22, 0.12))
    rim = dice.mix((0.24, 0.14, 0.08), (0.15, 0.09, 0.06))
    strength = dice.between(0.75, 0.97)
    canvas.lay(rim, canvas.cover(depth + 0.5) * blade.mask * strength)
    canvas.lay(brown, canvas.cover(depth - 0.6, 0.6) * blade.mask * (0.7 + 0.3 * canvas.noise(1.4)))


def paint_phoma(canvas: Canvas, dice: Dice, blade: Blade) -> None:
    """Phoma: dark, almost black rot that enters from the edge or the tip."""
    discs: list[Disc] = []
    size = _severity(dice)
    for _ in range(dice.whole(1, 5)):
        if dice.chance(0.35):
            x, y = _inside(dice, blade.pose, 0.86, 0.97, 0.3)
        else:
            x, y = _edge(dice, blade.pose)
        for _ in range(dice.whole(2, 4)):
            reach = size * dice.between(2.2, 6.0)
            spread = size * 2.6
            discs.append(
                (x + dice.between(-1, 1) * spread, y + dice.between(-1, 1) * spread, reach)
            )
    depth = canvas.discs(discs) + (canvas.noise(3.0) - 0.5) * 3.0
    black = dice.mix((0.06, 0.05, 0.04), (0.20, 0.13, 0.08))
    halo: Colour = (0.55, 0.50, 0.18)
    canvas.lay(halo, canvas.cover(depth + 1.2, 1.5) * blade.mask * dice.between(0.1, 0.5))
    canvas.lay(black, canvas.cover(depth, 0.8) * blade.mask * dice.between(0.75, 0.97))


def paint_mites(canvas: Canvas, dice: Dice, blade: Blade) -> None:
    """Red spider mite: fine bronze stippling, thickest along the veins."""
    patch = clip((canvas.noise(dice.between(6, 14)) - dice.between(0.1, 0.4)) * 3.0)
    along = clip(1.0 - np.abs(blade.v) * dice.between(0.4, 1.2))
    where = clip(patch * (0.35 + 0.65 * along)) * blade.mask
    severity = min(1.3, _severity(dice))
    dense = dice.between(0.2, 0.3) + 0.27 * severity
    dots = clip((canvas.noise(0.9) - (1.0 - dense)) * 5.0)
    bronze = dice.mix((0.56, 0.24, 0.12), (0.42, 0.20, 0.11))
    canvas.lay(bronze, where * severity * dice.between(0.12, 0.34))
    canvas.lay(bronze, clip(where * dots * 1.6) * dice.between(0.6, 0.95))


def paint_rust(canvas: Canvas, dice: Dice, blade: Blade) -> None:
    """Leaf rust: groups of small round spots of yellow-orange powder, each with a pale halo."""
    discs: list[Disc] = []
    size = _severity(dice)
    for _ in range(max(1, round(size * dice.between(2, 7)))):
        x, y = _inside(dice, blade.pose, 0.1, 0.88, 0.8)
        spread = dice.between(3.0, 8.0)
        for _ in range(dice.whole(2, round(4 + 5 * min(1.0, size)))):
            dx, dy = dice.between(-1, 1) * spread, dice.between(-1, 1) * spread
            discs.append((x + dx, y + dy, 0.45 + 0.75 * size * dice.between(0.6, 1.7)))
    depth = canvas.discs(discs)
    powder = dice.mix((0.97, 0.66, 0.08), (0.86, 0.45, 0.05))
    pale: Colour = (0.80, 0.76, 0.32)
    canvas.lay(pale, canvas.cover(depth + 0.7, 1.2) * blade.mask * dice.between(0.2, 0.6))
    grainy: Field = 0.65 + 0.35 * canvas.noise(0.8)
    canvas.lay(powder, canvas.cover(depth, 0.4) * blade.mask * grainy * dice.between(0.7, 0.97))


PAINTERS: Mapping[str, Painter] = {
    "healthy": paint_nothing,
    "miner": paint_miner,
    "phoma": paint_phoma,
    "red spider mite": paint_mites,
    "rust": paint_rust,
}


def _severity(dice: Dice) -> float:
    """Return a severity of about 1; one leaf in six is only just infected."""
    return dice.between(0.3, 0.6) if dice.chance(0.17) else dice.between(0.85, 1.6)


def _inside(
    dice: Dice, pose: Pose, first: float, last: float, across: float
) -> tuple[float, float]:
    """Return a place on the leaf that the image shows, between two places along it."""
    return _visible_place(dice, pose, (first, last), lambda: dice.between(-across, across))


def _edge(dice: Dice, pose: Pose) -> tuple[float, float]:
    """Return a place on the leaf's edge that the image shows."""
    side = 1 if dice.chance(0.5) else -1
    return _visible_place(dice, pose, (0.15, 0.9), lambda: side * dice.between(0.85, 1.0))


def _visible_place(
    dice: Dice, pose: Pose, along: tuple[float, float], across: Callable[[], float]
) -> tuple[float, float]:
    """Return the first drawn place that lies in the image, else one halfway to its middle."""
    x = y = 0.0
    for _ in range(12):
        x, y = pose.at(dice.between(*along), across())
        if abs(x) < 44 and abs(y) < 21:
            return x, y
    return x / 2, y / 2
