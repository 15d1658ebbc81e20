from __future__ import annotations

import numpy as np
import pytest

from tidemill.learn.roc import area, curve


def test_the_area_is_the_chance_that_a_positive_ranks_above_a_negative() -> None:
    random = np.random.default_rng(0)
    positive = random.random(80) < 0.3
    # Rounded, so that there are ties.
    scores = np.round(random.random(80) + 0.3 * positive, 1)
    pairs = scores[positive][:, None] - scores[~positive][None, :]
    assert area(scores, positive) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def test_the_curve_goes_from_corner_to_corner() -> None:
    points = curve(np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, False, True, False]))
    assert points is not None
    np.testing.assert_allclose(points[0], [0, 0, 0.5, 1])
    np.testing.assert_allclose(points[1], [0, 0.5, 1, 1])


@pytest.mark.parametrize("all_of_them", [True, False])
def test_one_kind_alone_has_no_curve(all_of_them: bool) -> None:
    assert area(np.array([0.1, 0.2]), np.full(2, all_of_them)) is None
