"""The pure parts of `requirements/wheels.py`, on reports of the form that pip writes."""

from __future__ import annotations

from typing import Any

import pytest

from requirements.lock import EXTRAS, FOLDER
from requirements.wheels import (
    EXEMPT,
    NOT_SHOWN,
    Findings,
    cell,
    faults,
    name_without_wheel,
    notes,
    read_files,
    read_pins,
    read_unpinned,
    table,
)

PINS = {"numpy": "numpy==2.4.6", "uvloop": 'uvloop==0.23.0; sys_platform != "win32"'}
NUMPY = "numpy-2.4.6-cp312-cp312-manylinux_2_28_x86_64.whl"
UVLOOP = "uvloop-0.23.0-cp312-cp312-manylinux_2_28_x86_64.whl"
ANTLR = {"antlr4-python3-runtime": "antlr4-python3-runtime==4.9.3"}
TORCH = "torch-2.13.0-cp313-cp313-manylinux_2_28_x86_64.whl"


def report(name: str, *needs: str, file: str = "x-1-py3-none-any.whl") -> dict[str, Any]:
    row = {"metadata": {"name": name, "requires_dist": list(needs)}}
    return {"install": [row | {"download_info": {"url": f"scheme://host/ab/cd/{file}"}}]}


def pins_of_the_project() -> dict[str, str]:
    return read_pins((FOLDER / f"{name}.txt").read_text(encoding="utf-8") for name in EXTRAS)


def test_the_locks_agree_on_every_version() -> None:
    assert len(pins_of_the_project()) > 100


def test_two_versions_of_one_dependency_are_refused() -> None:
    with pytest.raises(ValueError, match="pin one dependency"):
        read_pins(["# head\nnumpy==1\n", "NumPy==2\n"])


@pytest.mark.parametrize("name", [*EXEMPT, *NOT_SHOWN])
def test_every_exemption_names_a_pin_and_a_reason(name: str) -> None:
    assert name in pins_of_the_project()
    assert (EXEMPT | NOT_SHOWN)[name]


def test_a_file_is_named_without_the_place_it_comes_from() -> None:
    assert read_files(report("NumPy", file=NUMPY)) == {"numpy": NUMPY}


@pytest.mark.parametrize(
    ("need", "sentences"),
    [
        ("numpy>=2", []),
        ("numpy<2", ["lib needs numpy<2"]),
        ("other>=1", ["lib needs other>=1"]),
        ("other>=1; python_version < '3.12'", []),
        ("other>=1; python_version >= '3.12'", ["lib needs other>=1"]),
        ("other>=1; extra == 'all'", []),
        ("nvidia-nccl-cu13==2", ["lib needs nvidia-nccl-cu13==2"]),
    ],
)
def test_a_need_that_no_pin_satisfies_under_that_python(need: str, sentences: list[str]) -> None:
    assert read_unpinned(report("lib", need), PINS, "3.12") == sentences


def test_what_the_default_build_of_torch_adds_is_left_to_pip() -> None:
    needs = ("nvidia-nccl-cu13==2", "triton==3", "cuda-toolkit==13", "sympy>=1")
    assert read_unpinned(report("torch", *needs), PINS, "3.13") == ["torch needs sympy>=1"]


def test_the_pin_that_pip_finds_no_wheel_for() -> None:
    errors = (
        "ERROR: Could not find a version that satisfies the requirement Some_Lib==1.2 "
        "(from versions: none)\nERROR: No matching distribution found for Some_Lib==1.2\n"
    )
    assert name_without_wheel(errors) == "some-lib"
    assert name_without_wheel("ERROR: Could not install packages due to an OSError") is None


def test_the_table_shows_the_tags_of_each_wheel() -> None:
    results = {"3.12": Findings(files={"numpy": NUMPY}), "3.13": Findings()}
    lines = table(PINS | ANTLR, results)
    assert [line.split() for line in lines] == [
        ["pin", "Python", "3.12", "Python", "3.13"],
        ["antlr4-python3-runtime==4.9.3", "exempt", "exempt"],
        ["numpy==2.4.6", "cp312-cp312", "NO", "WHEEL"],
        ["uvloop==0.23.0", "NO", "WHEEL", "NO", "WHEEL"],
    ]


def test_a_pin_without_a_wheel_is_a_fault() -> None:
    results = {"3.12": Findings(files={"numpy": NUMPY})}
    assert cell("uvloop", results["3.12"]) == "NO WHEEL"
    assert faults(PINS | ANTLR, results) == [
        'uvloop==0.23.0; sys_platform != "win32" has no wheel for Python 3.12.'
    ]


def test_an_exemption_without_a_pin_and_an_unpinned_need_are_faults() -> None:
    files = {"numpy": NUMPY, "uvloop": UVLOOP}
    results = {"3.12": Findings(files=files, unpinned_needs=["lib needs other>=1"])}
    assert faults(PINS | ANTLR, {"3.12": Findings(files=files)}) == []
    assert faults(PINS, results) == [
        "antlr4-python3-runtime is exempt and no longer pinned.",
        "Under Python 3.12, lib needs other>=1, which no file pins.",
    ]


@pytest.mark.parametrize(
    ("file", "shown"), [(TORCH, True), (TORCH.replace("2.13.0", "2.13.0+cpu"), False)]
)
def test_a_default_build_of_torch_is_called_one(file: str, shown: bool) -> None:
    results = {"3.13": Findings(files={"torch": file}, whole_files=["big.whl (9 MB)"])}
    lines = notes(PINS | ANTLR | {"torch": "torch==2.13.0"}, results)
    assert any("default build" in line for line in lines) is shown
    assert lines[-1] == "Downloaded whole: big.whl (9 MB)."
