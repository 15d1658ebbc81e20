"""A coffee leaf on some ground: pose, outline, veins, gloss and harmless blemishes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidemill.recipes.shared.canvas import Canvas, Colour, Dice, Disc, Field, blend, clip, wave

_GREENS: tuple[Colour, Colour, Colour] = (
    (0.14, 0.30, 0.12),
    (0.26, 0.47, 0.17),
    (0.47, 0.55, 0.22),
)
_AUTUMN: tuple[Colour, Colour] = ((0.66, 0.42, 0.12), (0.50, 0.20, 0.09))
_VEIN: Colour = (0.66, 0.74, 0.45)
_GROUNDS: tuple[tuple[Colour, Colour], ...] = (
    ((0.27, 0.22, 0.18), (0.44, 0.36, 0.28)),  # soil
    ((0.20, 0.26, 0.16), (0.40, 0.46, 0.28)),  # grass
    ((0.33, 0.26, 0.18), (0.57, 0.46, 0.31)),  # litter
    ((0.50, 0.50, 0.47), (0.64, 0.63, 0.60)),  # paper
    ((0.35, 0.36, 0.36), (0.53, 0.54, 0.52)),  # stone
    ((0.27, 0.30, 0.34), (0.40, 0.43, 0.46)),  # cloth
    ((0.44, 0.36, 0.29), (0.58, 0.49, 0.41)),  # a hand
)


@dataclass(frozen=True, slots=True)
class Habit:
    """The shape of the leaves of one plant.

    `slim` and `broad` bound half the width over the length; `roundness` is the share of the
    ellipse in the outline; `lobes` waves of the depth `cut` run along the edge; `tip` is how
    much of the width is drawn out; `greens` go from dark to light; `ribs` bound the number of
    side veins, `lean` how far they lean to the tip.
    """

    slim: float = 0.20
    broad: float = 0.255
    roundness: float = 0.45
    lobes: float = 5.0
    cut: float = 0.035
    tip: float = 0.12
    greens: tuple[Colour, Colour, Colour] = _GREENS
    ribs: tuple[float, float] = (7, 11)
    lean: tuple[float, float] = (0.10, 0.2)


COFFEE = Habit()


@dataclass(frozen=True, slots=True)
class Pose:
    """The place of the leaf. Lengths are in units; (`cos`, `sin`) turns leaf axes to image axes."""

    x: float
    y: float
    cos: float
    sin: float
    length: float
    half_width: float
    bend: float
    ripple: float
    habit: Habit = COFFEE

    @classmethod
    def draw(cls, dice: Dice, habit: Habit = COFFEE) -> Pose:
        # t is the tangent of half the angle: up to 33 degrees either way, tip left or right.
        t = dice.between(-0.3, 0.3)
        cos, sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
        length = dice.between(72, 98)
        sign = 1 if dice.chance(0.5) else -1
        return cls(
            x=dice.between(-9, 9),
            y=dice.between(-6, 6),
            cos=sign * cos,
            sin=sign * sin,
            length=length,
            half_width=length * dice.between(habit.slim, habit.broad),
            bend=dice.between(-0.10, 0.10),
            ripple=dice.between(0, 1),
            habit=habit,
        )

    def outline(self, u: Field) -> Field:
        """Return half the leaf's width in units at `u` (0 base, 1 tip); negative beyond both ends.

        An ellipse sharpened towards both ends, with a drawn-out tip (coffee drips by it) and a
        short stalk.
        """
        habit = self.habit
        body = clip(u / 0.9)
        round_ = 4.0 * body * (1.0 - body)
        width = (habit.roundness * np.sqrt(round_) + (1.0 - habit.roundness) * round_) * (
            1.0 + habit.cut * wave(habit.lobes * u + self.ripple)
        )
        tip = np.minimum(habit.tip, habit.tip * (1.0 - u) / 0.13)
        stalk = np.minimum(0.055, 0.055 * (u + 0.16) / 0.02)
        ends = np.where(u > 0.5, np.where(u > 0.8, tip, 0.0), np.where(u < 0.1, stalk, 0.0))
        return np.maximum(width, ends) * self.half_width + np.minimum(0.0, ends) * 8.0

    def at(self, u: float, v: float) -> tuple[float, float]:
        """Return the image place, in units, of `u` along the leaf and `v` across (-1..1: the
        edges).
        """
        p = (u - 0.5) * self.length
        half = float(self.outline(np.array([[u]]))[0, 0])
        q = v * half + self.bend * p * p / self.half_width
        return self.x + p * self.cos - q * self.sin, self.y + p * self.sin + q * self.cos


@dataclass(frozen=True, slots=True)
class Blade:
    """A painted leaf, for the symptoms to be painted on.

    `u`, `v` are leaf coordinates per pixel (see `Pose.at`), `mask` is 1 on the leaf, `veins` 1
    on midrib and side veins.
    """

    pose: Pose
    u: Field
    v: Field
    mask: Field
    veins: Field


def paint_ground(canvas: Canvas, dice: Dice) -> None:
    """Soil, grass, paper, ...: two colours in lumps, a slope of light, something out of focus."""
    dark, light = _GROUNDS[dice.whole(0, len(_GROUNDS) - 1)]
    low, high = dice.mix(dark, light), dice.mix(dark, light)
    coarse, fine = dice.between(6, 22), dice.between(0.8, 3)
    rough = dice.between(0.05, 0.3)
    lumps = canvas.noise(coarse) * (1 - rough) + canvas.noise(fine) * rough
    canvas.rgb[:] = low
    canvas.lay(high, lumps)
    for _ in range(dice.whole(0, 2)):
        far: Disc = (dice.between(-48, 48), dice.between(-24, 24), dice.between(4, 16))
        colour = dice.mix(*_GROUNDS[dice.whole(0, len(_GROUNDS) - 1)])
        haze = dice.between(1, 6)
        share = dice.between(0.3, 0.9)
        canvas.lay(colour, canvas.cover(canvas.discs([far], 2 + haze), haze) * share)


def paint_blade(canvas: Canvas, dice: Dice, season: float, habit: Habit = COFFEE) -> Blade:
    """Draw a healthy leaf on the canvas, and return its place."""
    pose = Pose.draw(dice, habit)
    dx, dy = canvas.x - pose.x, canvas.y - pose.y
    p = dx * pose.cos + dy * pose.sin
    q = dy * pose.cos - dx * pose.sin - pose.bend * p * p / pose.half_width
    u = p / pose.length + 0.5
    half = pose.outline(u)
    side = np.abs(q)
    mask = canvas.cover(half - side)
    v = q / np.maximum(half, 0.5)
    _paint_shadow(canvas, dice, half - side)

    count, lean = dice.between(*habit.ribs), dice.between(*habit.lean)
    turns = (u - lean * np.abs(v) - 0.04 * v * v) * count + np.where(q > 0, dice.between(0, 1), 0)
    ridge = np.abs(2.0 * (turns - np.floor(turns)) - 1.0)
    side_veins = clip((ridge - 0.84) * 6.0) * clip(4.0 - 4.0 * np.abs(v)) * clip(8.0 * (0.9 - u))
    midrib = canvas.cover(dice.between(0.5, 0.9) * (1.15 - clip(u)) - side, 0.5)
    veins = np.maximum(midrib, 0.55 * side_veins)

    tone = dice.between(0.5, 1.45)
    green = blend(habit.greens[int(tone)], habit.greens[int(tone) + 1], tone - int(tone))
    colour = blend(green, dice.mix(*_AUTUMN), season)
    patches = 0.82 + 0.36 * canvas.noise(dice.between(4, 9))
    canvas.lay(colour, mask)
    canvas.lay(blend(colour, _VEIN, 0.75), veins * mask * dice.between(0.3, 0.65))
    slope = dice.between(-0.28, 0.28)
    relief = dice.between(0.04, 0.2)
    form = (1.0 + slope * v) * (1.0 - relief * ridge * ridge * ridge) * patches
    canvas.shade(1.0 + (form - 1.0) * mask)
    _paint_gloss(canvas, dice, u, v, mask)
    return Blade(pose=pose, u=u, v=v, mask=mask, veins=veins)


def paint_blemishes(canvas: Canvas, dice: Dice, blade: Blade) -> None:
    """Draw common blemishes: paler patches, dust, specks of dirt, a drop that glints."""
    pale: Colour = (0.62, 0.60, 0.24)
    if dice.chance(0.45):
        x, y = blade.pose.at(dice.between(0.1, 0.9), dice.between(-1, 1))
        patch = canvas.cover(canvas.discs([(x, y, dice.between(3, 10))], 6), 7)
        canvas.lay(pale, patch * blade.mask * dice.between(0.1, 0.5))
    if dice.chance(0.4):
        dust = dice.mix((0.60, 0.50, 0.36), (0.42, 0.30, 0.20))
        canvas.lay(dust, canvas.noise(dice.between(3, 8)) * blade.mask * dice.between(0.1, 0.4))
    for colour in ((0.16, 0.12, 0.09), (0.90, 0.92, 0.88)):
        specks: list[Disc] = []
        for _ in range(dice.whole(0, 4)):
            x, y = blade.pose.at(dice.between(0.05, 0.95), dice.between(-0.95, 0.95))
            specks.append((x, y, dice.between(0.25, 0.8)))
        canvas.lay(colour, canvas.cover(canvas.discs(specks)) * 0.8)


def _paint_shadow(canvas: Canvas, dice: Dice, inside: Field) -> None:
    """The leaf's shadow on the ground, a little aside."""
    right = round(dice.between(-3, 3) * canvas.unit)
    down = round(dice.between(0, 3) * canvas.unit)
    cast = np.roll(canvas.cover(inside, dice.between(1, 4)), (down, right), axis=(0, 1))
    # A value that wrapped around from the opposite border is not a shadow.
    cast[:down] = 0.0
    cast[:, : max(right, 0)] = 0.0
    cast[:, canvas.width + min(right, 0) :] = 0.0
    canvas.shade(1.0 - cast * dice.between(0.1, 0.55))


def _paint_gloss(canvas: Canvas, dice: Dice, u: Field, v: Field, mask: Field) -> None:
    """The waxy sheen: a streak along one half of the blade, broken up by the relief."""
    across, along = dice.between(-0.7, 0.7), dice.between(0.25, 0.75)
    dv, du = (v - across) / dice.between(0.15, 0.4), (u - along) / dice.between(0.15, 0.4)
    streak = clip(1.0 - dv * dv - du * du) * (0.4 + canvas.noise(2.5))
    canvas.lay((0.93, 0.96, 0.95), clip(streak * mask * dice.between(0.0, 0.5)))
