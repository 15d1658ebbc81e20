"""The planted faults are there, and nothing else is wrong."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from tidemill.codecs.codec import Fingerprint
from tidemill.codecs.image import ImageCodec
from tidemill.domain.errors import BadPayload, UsageError
from tidemill.recipes.shared.image_faults import plant
from tidemill.recipes.shared.leaves import CLASSES

CODEC = ImageCodec.from_config(
    {"width": 96, "height": 48, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, tuple[str, ...]]]:
    folder = tmp_path_factory.mktemp("faulty") / "leaves"
    return folder, plant(folder, seed=3)


def split_of(file: str) -> str:
    return file.split("/", maxsplit=1)[0]


def class_of(file: str) -> str:
    return file.split("/")[1]


def test_every_class_has_its_number_of_files(
    planted: tuple[Path, dict[str, tuple[str, ...]]],
) -> None:
    folder, _ = planted
    for split, count in (("train", 12), ("val", 3), ("test", 3)):
        assert {
            p.name: len(list(p.iterdir())) for p in (folder / split).iterdir()
        } == dict.fromkeys(CLASSES, count)


def test_exactly_these_faults(planted: tuple[Path, dict[str, tuple[str, ...]]]) -> None:
    folder, faults = planted
    prints: dict[str, Fingerprint] = {}
    unreadable = []
    for path in sorted(folder.rglob("*.*")):
        name = path.relative_to(folder).as_posix()
        try:
            prints[name] = CODEC.fingerprint(path.read_bytes())
        except BadPayload:
            unreadable.append(name)
    alike = {
        frozenset(pair)
        for pair in combinations(prints, 2)
        if prints[pair[0]].exact == prints[pair[1]].exact
    }
    near = {
        frozenset(pair)
        for pair in combinations(prints, 2)
        if (prints[pair[0]].near ^ prints[pair[1]].near).bit_count() <= 6
    }
    assert tuple(unreadable) == faults["broken"]
    assert alike == {frozenset(faults[name]) for name in ("identical", "leak", "conflict")}
    assert near == alike


def test_each_fault_is_of_its_kind(planted: tuple[Path, dict[str, tuple[str, ...]]]) -> None:
    folder, faults = planted
    one, again = faults["identical"]
    assert (split_of(one), class_of(one)) == (split_of(again), class_of(again))
    assert (folder / one).read_bytes() != (folder / again).read_bytes()
    learnt, tested = faults["leak"]
    assert (split_of(learnt), split_of(tested)) == ("train", "test")
    assert class_of(learnt) == class_of(tested)
    called, also_called = faults["conflict"]
    assert split_of(called) == split_of(also_called) == "train"
    assert class_of(called) != class_of(also_called)
    assert faults["broken"][0].endswith(".png")


@pytest.mark.parametrize("seed", range(4))
def test_faults_touch_disjoint_files(tmp_path: Path, seed: int) -> None:
    faults = plant(tmp_path, seed=seed, each=4)
    files = [file for group in faults.values() for file in group]
    assert len(set(files)) == len(files) == 7
    assert all((tmp_path / file).is_file() for file in files)


def test_the_same_seed_plants_the_same(tmp_path: Path) -> None:
    assert plant(tmp_path / "a", seed=1, each=4) == plant(tmp_path / "b", seed=1, each=4)
    assert plant(tmp_path / "c", seed=2, each=4) != plant(tmp_path / "d", seed=1, each=4)


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="not empty"):
        plant(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_too_few_images(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot plant"):
        plant(tmp_path, each=3)
