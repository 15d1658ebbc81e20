"""A bundle is what the ledger recorded, to the byte, or it is not opened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from tidemill.bundle import (
    MANIFEST,
    REFERENCE,
    REQUIRED,
    TOLERANCE,
    BundleStore,
    Golden,
    encode,
    manifest_of,
)
from tidemill.domain.errors import Corrupt, DataError, NotFound

TinyFiles = Callable[..., dict[str, bytes]]
SAMPLE = Golden(b"\x00leaf\xff", {"disease": "rust"}, {"disease": {"healthy": 0.25, "rust": 0.75}})


@pytest.fixture
def written(bundles: BundleStore, tiny_files: TinyFiles) -> Path:
    """The folder of a bundle in the store."""
    return bundles.root / bundles.write("coffee", tiny_files())


def test_what_is_written_is_what_is_opened(
    bundles: BundleStore,
    tiny_files: TinyFiles,
    golden_of: Callable[[Mapping[str, tuple[str, ...]]], list[Golden]],
) -> None:
    files = tiny_files() | {"confusion-disease.png": b"an image"}
    bundle = bundles.open(bundles.write("coffee", files))
    assert bundle.recipe == "coffee"
    assert bundle.classes == {"disease": ("miner", "healthy", "phoma")}
    assert bundle.golden == tuple(golden_of(bundle.classes))
    assert bundle.codec.kind == "image"
    assert bundle.codec.config()["width"] == 8
    assert bundle.model == files["model.onnx"]
    assert bundle.reference.to_bytes() == files[REFERENCE]
    assert bundle.reference.view.classes == bundle.classes
    assert {path.name for path in bundle.path.iterdir()} == {*files, MANIFEST}


def test_the_id_is_the_digest_of_the_manifest_and_of_nothing_else(written: Path) -> None:
    manifest = (written / MANIFEST).read_bytes()
    assert hashlib.sha256(manifest).hexdigest() == written.name
    listed = json.loads(manifest)["files"]
    assert set(listed) == set(REQUIRED)
    for name, digest in listed.items():
        assert hashlib.sha256((written / name).read_bytes()).hexdigest() == digest


def test_the_same_content_has_the_same_id(
    bundles: BundleStore, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    files = tiny_files()
    shuffled = dict(reversed(files.items()))
    first = bundles.write("coffee", files)
    assert bundles.write("coffee", shuffled) == first
    assert BundleStore(tmp_path / "elsewhere").write("coffee", files) == first
    assert bundles.write("plants", files) != first
    assert bundles.write("coffee", files | {"card.md": b"# other\n"}) != first
    assert len(list(bundles.root.iterdir())) == 3


@pytest.mark.parametrize("name", REQUIRED)
def test_a_bundle_without_a_required_file_is_not_written(
    bundles: BundleStore, tiny_files: TinyFiles, name: str
) -> None:
    files = tiny_files()
    del files[name]
    with pytest.raises(DataError, match=name):
        bundles.write("coffee", files)
    assert not bundles.root.exists()


@pytest.mark.parametrize("name", [*REQUIRED, MANIFEST])
def test_a_changed_file_is_corrupt(bundles: BundleStore, written: Path, name: str) -> None:
    content = bytearray((written / name).read_bytes())
    content[len(content) // 2] ^= 1
    (written / name).write_bytes(content)
    with pytest.raises(Corrupt, match="manifest"):
        bundles.open(written.name)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_removed_file_is_corrupt(bundles: BundleStore, written: Path, name: str) -> None:
    (written / name).unlink()
    with pytest.raises(Corrupt, match=name):
        bundles.open(written.name)


def test_a_file_that_the_manifest_does_not_list_is_corrupt(
    bundles: BundleStore, written: Path
) -> None:
    (written / "codec.py").write_text("print('code')")
    with pytest.raises(Corrupt, match=r"codec\.py"):
        bundles.open(written.name)


def test_a_bundle_that_was_signed_anew_under_its_old_id_is_corrupt(
    bundles: BundleStore, written: Path
) -> None:
    (written / "classes.json").write_bytes(encode({"disease": ["healthy", "miner", "phoma"]}))
    files = {name: (written / name).read_bytes() for name in REQUIRED}
    (written / MANIFEST).write_bytes(manifest_of("coffee", files))
    with pytest.raises(Corrupt, match="ledger recorded"):
        bundles.open(written.name)


def test_a_bundle_that_was_signed_anew_has_another_id(
    bundles: BundleStore, written: Path, tiny_files: TinyFiles
) -> None:
    forged = tiny_files() | {"classes.json": encode({"disease": ["healthy", "miner", "phoma"]})}
    assert bundles.write("coffee", forged) != written.name


SOUND_SAMPLE = SAMPLE.to_json()
MALFORMED: list[tuple[str, object, str]] = [
    ("classes.json", b"{", "JSON"),
    ("classes.json", b"\xff", "JSON"),
    ("classes.json", b"[" * 100_000, "JSON"),
    ("classes.json", [], "object"),
    ("classes.json", {}, "no target"),
    ("classes.json", {"disease": []}, "without a class"),
    ("classes.json", {"disease": "rust"}, "disease"),
    ("classes.json", {"disease": ["rust", 1]}, "string"),
    ("golden.json", {}, "array"),
    ("golden.json", [1], "object"),
    ("golden.json", [{"payload": "AA=="}], "labels"),
    ("golden.json", [SOUND_SAMPLE | {"payload": "?"}], "base64"),
    ("golden.json", [SOUND_SAMPLE | {"labels": {"plant": "x"}}], "does not name every target"),
    ("golden.json", [SOUND_SAMPLE | {"probabilities": {}}], "does not name every target"),
    ("golden.json", [SOUND_SAMPLE | {"probabilities": {"disease": {"rust": "1"}}}], "number"),
    ("codec.json", {"kind": "image"}, "config"),
    ("codec.json", {"kind": "image", "config": 3}, "config"),
    ("codec.json", {"kind": "image", "config": {"width": 8}}, "cannot be used"),
    ("codec.json", {"kind": "sound", "config": {}}, "No codec 'sound'"),
    (REFERENCE, b"", "no archive"),
    (REFERENCE, {"counts": [1]}, "no archive"),
]


@pytest.mark.parametrize(("name", "body", "message"), MALFORMED)
def test_a_malformed_file_is_corrupt_however_well_it_is_signed(
    bundles: BundleStore, tiny_files: TinyFiles, name: str, body: object, message: str
) -> None:
    content = body if isinstance(body, bytes) else encode(body)
    with pytest.raises(Corrupt, match=f"^{name} of bundle") as caught:
        bundles.open(bundles.write("coffee", tiny_files() | {name: content}))
    assert message in caught.value.message


@pytest.mark.parametrize(
    "named",
    [
        {"disease": ("miner", "healthy")},
        {"disease": ("miner", "healthy", "spot")},
        {"plant": ("miner", "healthy", "phoma")},
        {"disease": ("miner", "healthy", "phoma"), "part": ("leaf", "stem")},
    ],
)
def test_a_reference_of_other_labels_is_corrupt(
    bundles: BundleStore, tiny_files: TinyFiles, named: dict[str, tuple[str, ...]]
) -> None:
    other = {REFERENCE: tiny_files(named)[REFERENCE]}
    with pytest.raises(Corrupt, match=r"reference\.npz of bundle .* other classes"):
        bundles.open(bundles.write("coffee", tiny_files() | other))


def test_names_in_another_order_than_the_references_are_left_to_the_gate(
    bundles: BundleStore, tiny_files: TinyFiles
) -> None:
    turned = {"classes.json": encode({"disease": ["healthy", "phoma", "miner"]})}
    bundle = bundles.open(bundles.write("coffee", tiny_files() | turned))
    assert bundle.classes != bundle.reference.view.classes


@pytest.mark.parametrize(
    "body",
    [[], {}, {"format": 2, "recipe": "coffee", "files": {}}, {"format": 1, "recipe": "coffee"}],
)
def test_a_malformed_manifest_is_corrupt(bundles: BundleStore, body: object) -> None:
    content = encode(body)
    folder = bundles.root / hashlib.sha256(content).hexdigest()
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(Corrupt, match=r"manifest\.json of bundle .* malformed"):
        bundles.open(folder.name)


def test_a_manifest_that_lists_too_little_is_corrupt(bundles: BundleStore) -> None:
    content = manifest_of("coffee", {})
    folder = bundles.root / hashlib.sha256(content).hexdigest()
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(Corrupt, match=r"lacks model\.onnx"):
        bundles.open(folder.name)


def test_a_folder_in_the_place_of_a_file_is_corrupt(bundles: BundleStore, written: Path) -> None:
    (written / "card.md").unlink()
    (written / "card.md").mkdir()
    with pytest.raises(Corrupt, match=r"card\.md .* is no file"):
        bundles.open(written.name)


def test_what_changes_after_it_was_opened_is_not_what_runs(
    bundles: BundleStore, written: Path, tiny_files: TinyFiles
) -> None:
    bundle = bundles.open(written.name)
    (written / "model.onnx").write_bytes(b"another one")
    assert bundle.model == tiny_files()["model.onnx"]


@pytest.mark.parametrize("id", ["f" * 64, "", "..", "nothing"])
def test_an_unknown_bundle_is_not_found(bundles: BundleStore, written: Path, id: str) -> None:
    assert written.is_dir()
    with pytest.raises(NotFound, match=r"no bundle in"):
        bundles.open(id)


def test_a_folder_without_a_manifest_is_not_found(bundles: BundleStore, written: Path) -> None:
    (written / MANIFEST).unlink()
    with pytest.raises(NotFound):
        bundles.open(written.name)


def test_nothing_in_a_bundle_is_code_or_pickled(written: Path) -> None:
    for path in written.iterdir():
        content = path.read_bytes()
        match path.suffix:
            case ".json":
                json.loads(content)
            case ".md":
                content.decode()
            case ".onnx":
                onnx.checker.check_model(onnx.load_from_string(content))
            case ".npz":
                with np.load(path, allow_pickle=False) as arrays:
                    assert all(arrays[name].dtype.kind in "Uif" for name in arrays.files)
            case other:
                pytest.fail(f"nobody expects {other}")


def test_the_right_answer_has_no_fault() -> None:
    assert SAMPLE.fault("disease", "rust", {"rust": 0.75, "healthy": 0.25}) == ""
    near = TOLERANCE * 0.99
    assert SAMPLE.fault("disease", "rust", {"rust": 0.75 + near, "healthy": 0.25 - near}) == ""


@pytest.mark.parametrize(
    ("label", "probabilities", "message"),
    [
        ("healthy", {"rust": 0.75, "healthy": 0.25}, "'healthy' was answered where 'rust'"),
        ("rust", {"rust": 0.75, "miner": 0.25}, "other label names than recorded (rust, miner)"),
        ("rust", {"rust": 0.75}, "other label names"),
        ("rust", {"rust": 0.75, "healthy": 0.25, "miner": 0.0}, "other label names"),
        ("rust", {"rust": 0.7, "healthy": 0.25}, "'rust' is off by 0.05"),
        ("rust", {"rust": 0.75, "healthy": 0.2525}, "'healthy' is off by 0.0025"),
        ("rust", {"rust": float("nan"), "healthy": 0.25}, "'rust' is off by nan"),
        ("rust", {"rust": 0.75, "healthy": float("nan")}, "'healthy' is off by nan"),
        ("rust", {"rust": float("inf"), "healthy": 0.25}, "'rust' is off by inf"),
    ],
)
def test_a_wrong_answer_has_its_fault_said(
    label: str, probabilities: dict[str, float], message: str
) -> None:
    fault = SAMPLE.fault("disease", label, probabilities)
    assert fault.startswith("disease: ")
    assert message in fault


def test_each_target_is_looked_at_by_itself() -> None:
    both = replace(
        SAMPLE,
        labels={"disease": "rust", "plant": "arabica"},
        probabilities={**SAMPLE.probabilities, "plant": {"arabica": 1.0}},
    )
    assert both.fault("plant", "arabica", {"arabica": 1.0}) == ""
    assert both.fault("plant", "robusta", {"arabica": 1.0}).startswith("plant: ")


def test_a_golden_sample_survives_json() -> None:
    assert Golden.from_json(json.loads(encode(SAMPLE.to_json()))) == SAMPLE
