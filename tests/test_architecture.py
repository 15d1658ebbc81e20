"""Rules about the sources themselves, read from the sources."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

import tidemill
from tidemill.domain import errors
from tidemill.domain.errors import TidemillError

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "tidemill"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TRAINING = {"torch", "lightning", "torchmetrics", "torch_geometric", "transformers"}
PRIVATE_PIPE = "web/reader_process.py"
"""It exchanges frames with its own child process, through a pipe that nobody else has."""
PICKLERS = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
MAY_CHOOSE = {"__init__.py", "workspace/trainer.py", "cli/main.py"}
"""The front door, the loader of torch and the command table choose at run time what they load."""

Node = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> set[str]:
    """Every module that is imported below a node, by its full name."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names.add(ast.unparse(node.args[0]).strip("f'\""))
    return names


def inside_functions(tree: ast.AST) -> set[str]:
    return {name for node in ast.walk(tree) if isinstance(node, Node) for name in imported(node)}


def own(names: set[str]) -> set[str]:
    return {name for name in names if name.partition(".")[0] in ("tidemill", "")}


def test_the_rules_below_see_what_they_look_for() -> None:
    tree = ast.parse(
        "import a.b\nfrom c import d\nfrom . import e\n"
        "def f():\n  import g\n  def h():\n    import_module(f'tidemill.cli.{x}')\n"
    )
    assert imported(tree) == {"a.b", "c", ".", "g", "tidemill.cli.{x}"}
    assert inside_functions(tree) == {"g", "tidemill.cli.{x}"}
    assert own(imported(tree)) == {".", "tidemill.cli.{x}"}
    assert SOURCES


def test_no_source_is_longer_than_four_hundred_lines() -> None:
    long = [name_of(path) for path in SOURCES if len(path.read_text("utf-8").splitlines()) > 400]
    assert long == []


def test_our_own_code_is_imported_inside_functions_in_three_places_only() -> None:
    lazy = {name_of(path) for path in SOURCES if own(inside_functions(parsed(path)))}
    assert lazy <= MAY_CHOOSE
    assert {"__init__.py", "cli/main.py"} <= lazy


def layers() -> list[set[str]]:
    """The rooms from the top down, as import-linter reads them."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (contract,) = [row for row in linter["contracts"] if row["type"] == "layers"]
    return [
        {room.strip().removeprefix("tidemill.") for room in layer.split("|")}
        for layer in contract["layers"]
    ]


def drawn() -> list[str]:
    """The rooms in the order of the tree in README.md."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = re.search(r"^src/tidemill/\n(.*?)^```", readme, re.M | re.S)
    assert tree
    names = [re.split(r"  +", line.strip())[0] for line in tree[1].splitlines()]
    return re.findall(r"(\w+)(?:\.py|/)", " ".join(names))


def test_the_tree_in_the_readme_is_the_one_that_the_linter_holds_imports_to() -> None:
    rooms = [room for layer in layers() for room in layer]
    assert sorted(drawn()) == sorted(rooms)
    # A room of the tree stands in the layer of the one above it, or below that.
    depth = {room: at for at, layer in enumerate(layers()) for room in layer}
    depths = [depth[room] for room in drawn()]
    assert depths == sorted(depths)


def test_every_room_has_a_layer() -> None:
    present = {
        path.stem
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert present - {"__init__", "__main__", "conf"} == {r for layer in layers() for r in layer}


def test_the_page_on_architecture_lists_the_rooms_in_the_same_order() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`.*?`) \|", page.partition("## Rooms")[2], re.M)
    assert re.findall(r"`(\w+)`", " ".join(cells)) == drawn()


def test_our_own_imports_are_absolute() -> None:
    relative = [
        name_of(path)
        for path in SOURCES
        if any(name.startswith(".") for name in imported(parsed(path)))
    ]
    assert relative == []


def test_torch_is_imported_where_networks_are_and_nowhere_else() -> None:
    users = {
        name_of(path)
        for path in SOURCES
        if TRAINING & {name.partition(".")[0] for name in imported(parsed(path))}
    }
    strangers = {
        name
        for name in users
        if not name.startswith("learn/")
        and not (name.startswith("recipes/") and name.endswith("/network.py"))
    }
    assert strangers == set()
    assert "learn/network.py" in users


def test_the_vocabulary_needs_the_standard_library_alone() -> None:
    """The import linter forbids what it is told of; this forbids everything else, too."""
    needed = {
        name.partition(".")[0]
        for path in SOURCES
        if name_of(path).startswith("domain/")
        for name in imported(parsed(path))
    }
    assert needed <= {*sys.stdlib_module_names, "tidemill"}
    assert "dataclasses" in needed


def picklers(path: Path) -> Iterator[str]:
    tree = parsed(path)
    yield from PICKLERS & {name.partition(".")[0] for name in imported(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("torch.save", "torch.load"):
            yield ast.unparse(node)
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            yield from ["allow_pickle"] if ast.unparse(node.value) != "False" else []
        if isinstance(node, ast.ImportFrom) and node.module == "torch":
            yield from {"save", "load"} & {alias.name for alias in node.names}


def test_nothing_is_pickled() -> None:
    calls = {name_of(path): list(picklers(path)) for path in SOURCES}
    assert {name: what for name, what in calls.items() if what} == {PRIVATE_PIPE: ["pickle"]}


def test_an_init_file_defines_at_most_how_its_names_are_loaded() -> None:
    defined = {
        (name_of(path), node.name)
        for path in SOURCES
        if path.name == "__init__.py"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name not in ("__getattr__", "__dir__")
    }
    assert defined == set()


def test_every_module_says_what_it_is() -> None:
    silent = [
        name_of(path)
        for path in SOURCES
        if path.stat().st_size and not ast.get_docstring(parsed(path))
    ]
    assert silent == []


def test_the_front_door_is_short() -> None:
    module = parsed(PACKAGE / "__init__.py")
    names = {
        ast.unparse(t) for node in module.body if isinstance(node, ast.Assign) for t in node.targets
    }
    names |= {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
    telemetry = "os.environ['ORT_DISABLE_TELEMETRY']"
    assert names == {"__version__", "__all__", "_MODULES", "__getattr__", "__dir__", telemetry}
    assert tidemill.__version__ == version("tidemill")
    exported = list(getattr(tidemill, "__all__", []))
    assert exported == sorted(exported)
    assert all(hasattr(tidemill, name) for name in exported)
    assert (PACKAGE / "py.typed").is_file()


def family(kind: type[TidemillError]) -> Iterator[type[TidemillError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from family(child)


ERRORS = [kind for kind in family(TidemillError) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_is_explained_and_stands_in_the_tree(kind: type[TidemillError]) -> None:
    assert "__doc__" in vars(kind)
    assert (kind.__doc__ or "").strip().endswith(".")
    assert kind.__name__ in (errors.__doc__ or "")
    assert "code" in vars(kind)


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in ERRORS]
    assert len(codes) == len(set(codes))


def test_the_tree_takes_a_sentence_and_a_hint() -> None:
    for kind in ERRORS:
        error = kind("It is broken.", hint="Mend it.")
        assert (str(error), error.message, error.hint) == ("It is broken.",) * 2 + ("Mend it.",)
        assert "hint" in inspect.signature(kind).parameters


def project_files() -> list[Path]:
    """What git tracks, or would if it were added."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the sources are not in a git checkout, so nobody says which files count")
    names = [name for name in done.stdout.decode().split("\0") if name]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


# Put together here, so that this file does not find itself.
UNWANTED = ("sub" + "agent", "/" + "work/", "/" + "home/", "/" + "Users/")


@pytest.mark.parametrize("words", UNWANTED)
def test_no_file_speaks_of_the_machine_it_was_written_on(words: str) -> None:
    naming_it = [
        path.relative_to(ROOT).as_posix()
        for path in project_files()
        if words.encode().lower() in path.read_bytes().lower()
    ]
    assert naming_it == []
