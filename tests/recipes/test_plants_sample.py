"""The painted plants: the same everywhere, three labels each, and faults that are found."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from tidemill.codecs.image import ImageCodec
from tidemill.data.folder import FolderSource
from tidemill.domain.errors import BadPayload, DataError, UsageError
from tidemill.recipes.plants.naming import plant_labels
from tidemill.recipes.plants.sample.leaves import CLASSES, examples, paint, plant
from tidemill.recipes.shared.camera import Camera
from tidemill.recipes.shared.leaves import Sample
from tidemill.recipes.shared.sample_images import SampleSource

CODEC = ImageCodec.from_config(
    {"width": 96, "height": 48, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("Bean___healthy", "c5d5e0150712e5f2a077ccf16f910bb0"),
        ("Bean___leaf_miner", "9d51e2f0344c6c7ce4d99a7381f48b0f"),
        ("Bean___rust", "84e677fb2965b18e4e2c03c94ff1be87"),
        ("Vine___black_rot", "adbb0c9262a084c6258f1cf062e8c754"),
        ("Vine___healthy", "167405a62ce15277b86e4e21678b0b94"),
        ("Vine___rust", "1c55798603b7892312fb8081d940920d"),
    ],
)
def test_pixels_are_the_same_on_every_machine(name: str, digest: str) -> None:
    # When these change on purpose, raise PAINTER_VERSION.
    assert hashlib.sha256(paint(name, 11).tobytes()).hexdigest()[:32] == digest


def test_the_camera_changes_how_a_leaf_is_seen() -> None:
    plain, dim = paint("Vine___rust", 5), paint("Vine___rust", 5, camera=Camera(light=0.5))
    inside = (plain > 20) & (plain < 235)
    assert abs(float(np.median(dim[inside].astype(float) / plain[inside])) - 0.5) < 0.03
    assert paint("Vine___rust", 5, size=(64, 64)).shape == (64, 64, 3)


def test_a_class_that_nobody_paints() -> None:
    with pytest.raises(UsageError, match="'Oak___rust'") as refused:
        paint("Oak___rust", 0)
    assert "Vine___rust" in refused.value.hint


def test_every_leaf_has_three_labels_and_two_plants_share_a_disease() -> None:
    leaves = list(examples(Sample(train=12, val=6, test=6)))
    assert Counter((row.split, row.labels["class"]) for row in leaves) == {
        (split, name): count
        for split, count in (("train", 2), ("val", 1), ("test", 1))
        for name in CLASSES
    }
    assert all(row.labels == plant_labels(row.labels["class"]) for row in leaves)
    plants = {row.labels["plant"] for row in leaves if row.labels["disease"] == "rust"}
    assert plants == {"Bean", "Vine"}
    prints = [CODEC.fingerprint(row.payload).near for row in leaves]
    assert min((a ^ b).bit_count() for a, b in combinations(prints, 2)) > 6


def test_a_kept_sample_is_what_was_painted(tmp_path: Path) -> None:
    sample = Sample(train=6, val=6, test=6, size=(32, 16))
    source = SampleSource(
        tmp_path, sample, kind="plants", paint=examples, labels=plant_labels, version=1
    )
    source.prepare(lambda _done, _all: None)
    assert source.path.name.startswith("plants-")
    painted = {row.id: (row.labels, row.split) for row in examples(sample)}
    assert {row.id: (row.labels, row.split) for row in source.examples()} == painted


def test_faults_are_planted_in_them_too(tmp_path: Path) -> None:
    faults = plant(tmp_path / "new", seed=3, each=4)
    prints: dict[str, str] = {}
    broken = []
    for path in sorted((tmp_path / "new").rglob("*.*")):
        name = path.relative_to(tmp_path / "new").as_posix()
        try:
            prints[name] = CODEC.fingerprint(path.read_bytes()).exact
        except BadPayload:
            broken.append(name)
    alike = {
        frozenset(pair) for pair in combinations(prints, 2) if prints[pair[0]] == prints[pair[1]]
    }
    assert tuple(broken) == faults["broken"]
    assert alike == {frozenset(faults[name]) for name in ("identical", "leak", "conflict")}


@pytest.mark.parametrize(
    ("name", "plant", "disease"),
    [
        ("Grape___Black_rot", "Grape", "Black_rot"),
        ("Grape___Esca_(Black_Measles)", "Grape", "Esca_(Black_Measles)"),
        ("Pepper,_bell___healthy", "Pepper,_bell", "healthy"),
        ("Corn_(maize)___Common_rust_", "Corn_(maize)", "Common_rust_"),
        ("A___b___c", "A", "b___c"),
    ],
)
def test_a_folders_name_says_plant_and_disease(name: str, plant: str, disease: str) -> None:
    assert plant_labels(name) == {"class": name, "disease": disease, "plant": plant}


@pytest.mark.parametrize("name", ["healthy", "Grape__healthy", "___healthy", "Grape___", "___"])
def test_a_name_without_both_parts_is_refused_by_name(name: str) -> None:
    with pytest.raises(DataError) as refused:
        plant_labels(name)
    assert repr(name) in refused.value.message
    assert "Plant___disease" in refused.value.hint


def test_a_folder_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    for name in ("Grape___healthy", "Grape___rust", "unsorted"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_bytes(b"not even an image")
    source = FolderSource(tmp_path, labels=plant_labels)
    with pytest.raises(DataError, match="'unsorted'"):
        len(source)
    (tmp_path / "unsorted").rename(tmp_path / "Grape___unsorted")
    labels_read = [row.labels for row in source.examples()]
    assert [labels["disease"] for labels in labels_read] == ["healthy", "rust", "unsorted"]
