from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.data import near
from tidemill.domain.errors import UsageError

WORD = st.integers(0, 2**64 - 1)


@st.composite
def clustered_hashes(draw: st.DrawFn) -> list[int]:
    """A few hashes and many that differ from them in a few bits: random ones are never close."""
    centres = draw(st.lists(WORD, min_size=1, max_size=4))
    flips = st.sets(st.integers(0, 63), max_size=9)
    return [
        draw(st.sampled_from(centres)) ^ sum(1 << bit for bit in draw(flips))
        for _ in range(draw(st.integers(0, 12)))
    ]


def by_brute_force(hashes: list[int], distance: int) -> tuple[tuple[int, ...], ...]:
    label = list(range(len(hashes)))
    for left in range(len(hashes)):
        for right in range(left):
            if (hashes[left] ^ hashes[right]).bit_count() <= distance:
                label = [label[right] if own == label[left] else own for own in label]
    groups = [
        tuple(position for position, own in enumerate(label) if own == value)
        for value in dict.fromkeys(label)
    ]
    return tuple(sorted(group for group in groups if len(group) > 1))


@given(clustered_hashes(), st.integers(0, 12) | st.sampled_from([31, 62, 63]))
def test_groups_are_those_of_comparing_everything(hashes: list[int], distance: int) -> None:
    assert near.group(hashes, distance).groups == by_brute_force(hashes, distance)


def test_twenty_thousand_hashes_take_few_comparisons() -> None:
    random_ = random.Random(7)
    hashes = [random_.getrandbits(64) for _ in range(20_000)]
    hashes[19_999] = hashes[3] ^ 0b111111

    groups = near.group(hashes, 6)

    assert groups.groups == ((3, 19_999),)
    everything = 20_000 * 19_999 // 2
    assert groups.compared < everything / 70


def test_copies_cost_no_comparison() -> None:
    groups = near.group([5] * 3_000 + [2**63], 6)
    assert groups.compared <= 7
    assert [len(group) for group in groups.groups] == [3_001]


def test_a_bucket_larger_than_a_block_loses_no_pair() -> None:
    # All agree in their low bits, so that one bucket holds them all and is cut into blocks.
    random_ = random.Random(8)
    centres = [random_.getrandbits(40) << 24 for _ in range(1_100)]
    partners = [centre ^ (1 << 30) for centre in centres]
    assert (2 * len(centres)) ** 2 > 2 * near.CELLS
    groups = near.group(centres + partners, 2)
    assert groups.groups == tuple((n, n + 1_100) for n in range(1_100))


def test_a_chain_is_one_group() -> None:
    assert near.group([0b0, 0b1111, 0b11111111], 4).groups == ((0, 1, 2),)


def test_nothing_has_no_groups() -> None:
    assert near.group([], 6).groups == ()


@pytest.mark.parametrize("distance", [-1, 64])
def test_a_distance_outside_the_hash_is_refused(distance: int) -> None:
    with pytest.raises(UsageError, match=r"not in 0\.\.63"):
        near.group([1, 2], distance)
