"""The front door: a few documented names, each loaded when it is first used."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import tidemill

HEAVY = (
    "torch",
    "pyarrow",
    "sqlalchemy",
    "hydra",
    "numpy",
    "pydantic",
    "onnxruntime",
    "httpx",
)
NAMES = [name for name in tidemill.__all__ if name != "__version__"]


def modules_after(statement: str) -> set[str]:
    """The top-level packages that a new interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert modules_after("import tidemill; dir(tidemill)") & {*HEAVY} == set()


def test_the_errors_are_reached_without_anything_heavy() -> None:
    statement = "from tidemill import Answer, DriftVerdict, Verdict, errors; errors.GateRefused"
    assert modules_after(statement) & {*HEAVY} == set()


@pytest.mark.train_extra
def test_a_workspace_loads_what_every_command_needs() -> None:
    """Every process waits for these imports, so they leave out what few processes use."""
    loaded = modules_after("from tidemill import Engine, Workspace; Workspace('x').exists")
    assert not {"torch", "scipy", "hydra", "omegaconf", "alembic", "httpx"} & loaded
    assert {"pyarrow", "sqlalchemy"} <= loaded


def imports_for_types() -> dict[str, str]:
    """Name to module, of the imports that only a type checker sees."""
    tree = ast.parse(Path(tidemill.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    return {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_the_documented_object_of_its_module(name: str) -> None:
    value = getattr(tidemill, name)
    home = import_module(imports_for_types()[name])
    assert value is getattr(home, name)
    assert isinstance(value, ModuleType) or value.__module__ == home.__name__
    assert isinstance(value, FunctionType) or "__doc__" in vars(value)
    assert (value.__doc__ or "").split("\n\n")[0].strip()
    assert name in dir(tidemill)


def test_no_other_name_is_imported_for_types() -> None:
    assert sorted(imports_for_types()) == NAMES


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Workshop'"):
        _ = tidemill.Workshop
    with pytest.raises(ImportError):
        exec("from tidemill import Workshop", {})  # noqa: S102 - a statement, as a user writes it
