"""The command line: what went wrong, in a sentence, with the exit code that tells the kind."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

import tidemill
from tidemill.cli import main as cli
from tidemill.cli.main import COMMANDS, EXIT_CODES, build, exit_code, main
from tidemill.domain.errors import DataRefused, TidemillError
from tidemill.workspace.workspace import Workspace

HEAVY = {"torch", "scipy", "pyarrow", "hydra", "omegaconf", "alembic", "fastapi", "sqlalchemy"}


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> dict[str, Any]:
        """The error object on stdout, which holds nothing else."""
        body: dict[str, Any] = json.loads(self.out)
        return dict(body["error"])


Ask = Callable[..., Said]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the workspace would be; nothing is there yet."""
    return tmp_path / "home"


@pytest.fixture
def workspace(home: Path) -> Path:
    """A workspace without any model."""
    Workspace(home).create().close()
    return home


@pytest.fixture
def ask(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Ask]:
    """Runs the command line in this process."""
    monkeypatch.setenv("TIDEMILL_HOME", str(home))

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["tidemill", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        output = capsys.readouterr()
        assert "Traceback" not in output.out + output.err
        code = left.value.code or 0
        assert isinstance(code, int)
        return Said(code, output.out, output.err)

    yield run
    assert not list(home.rglob(".writing-*"))


@pytest.fixture
def leaves(tmp_path: Path) -> Path:
    """Two classes of images that nobody would confuse, in train, val and test folders."""
    root = tmp_path / "leaves"
    random = np.random.default_rng(1)
    for split in ("train", "val", "test"):
        for label in ("rust", "healthy"):
            folder = root / split / label
            folder.mkdir(parents=True)
            for at in range(2):
                pixels = random.integers(0, 256, (40, 80, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{at}.png")
    return root


def data(root: Path, *more: str) -> tuple[str, ...]:
    return ("data=folder", f"data.path={root}", "checks.minimum_per_class=1", *more)


def child(
    *words: str, stdin: int | None = None, stdout: int = subprocess.PIPE, **environment: str
) -> Said:
    done = subprocess.run(
        [sys.executable, *words],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in done.stderr
    return Said(done.returncode, done.stdout or "", done.stderr)


def test_a_good_folder_becomes_a_snapshot(ask: Ask, leaves: Path, home: Path) -> None:
    result = ask("data", "snapshot", "coffee", *data(leaves), "--json")
    assert result.code == 0
    snapshot = json.loads(result.out)["snapshot"]
    assert snapshot["rows"] == 12
    assert [path.name for path in (home / "snapshots").iterdir()] == [snapshot["id"]]
    assert ask("data", "list").code == 0
    stats = json.loads(ask("data", "stats", snapshot["id"][:8], "--json").out)
    assert stats["splits"]["test"]["rows"] == 4


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["config", "cofee"], "There is no recipe 'cofee'", "'coffee'"),
        (["data", "check", "zzz"], "There is no recipe 'zzz'", "coffee"),
        (["config", "coffee", "train.epoch=3"], "no setting 'train.epoch'", "'train.epochs'"),
        (["config", "coffee", "data=foldr"], "data=foldr is not known", "'folder'"),
        (["config", "coffee", "data=folder"], "data.path is needed", "data.path=VALUE"),
        (["config", "coffee", "nonsense"], "'nonsense' is no override", "KEY=VALUE"),
        (["config", "coffee", "train.epochs=many"], "train.epochs does not fit", ""),
        (["config", "coffee", "train.epochs=0"], "cannot use epochs=0", ""),
        (["config", "coffee", "gate.margin=0"], "cannot use margin=0", ""),
        (["config", "coffee", "checks.policy=maybe"], "checks.policy does not fit", ""),
    ],
)
def test_a_wrong_command_is_usage_and_names_what_is_close(
    ask: Ask, home: Path, words: list[str], message: str, hint: str
) -> None:
    result = ask(*words, "--json")
    assert result.code == 2
    assert result.error["code"] == "usage"
    assert message in result.error["message"]
    assert hint in result.error["hint"]
    assert f"error: {result.error['message']}" in result.err
    assert not home.exists()


@pytest.mark.parametrize(
    "words", [["nothing"], ["data"], ["data", "nothing"], ["models", "show"], ["config", "--port"]]
)
def test_a_word_that_is_no_command_is_usage(ask: Ask, words: list[str]) -> None:
    result = ask(*words)
    assert result.code == 2
    assert "Usage" in result.err + result.out


def test_a_line_that_cannot_be_parsed_is_an_error_object_too(ask: Ask) -> None:
    for words in (["serve", "--prot", "1"], ["nothing"], ["models", "show"], ["data", "nothing"]):
        result = ask(*words, "--json")
        assert (result.code, result.error["code"]) == (2, "usage"), words
        assert result.error["message"], words
        assert result.error["hint"].startswith("Usage: tidemill"), words


def test_an_interrupted_command_says_so(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both while it works and while its modules are loaded."""
    result = child(
        *("-m", "tidemill", "train", "coffee", "--with-parent", "--json"), stdin=subprocess.DEVNULL
    )
    assert (result.code, result.error["code"]) == (130, "interrupted")
    assert "error: Interrupted." in result.err

    def interrupted(_: str) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "part", interrupted)
    result = ask("config", "--json")
    assert (result.code, result.error["code"]) == (130, "interrupted")


def test_a_reader_that_left_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = child("-m", "tidemill", "config", "--json", stdout=writer)
    os.close(writer)
    assert (result.code, result.err) == (141, "")


def test_our_own_modules_are_never_called_missing(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tidemill.cli.config", None)
    assert ask("config", "--json").error["code"] == "bug"


def test_a_package_that_cannot_be_imported_is_not_called_absent(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "halved.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(cli, "part", lambda _: exec("from halved import whole"))  # noqa: S102
    result = ask("config", "--json")
    assert (result.code, result.error["code"]) == (4, "unavailable")
    assert "halved, which cannot be imported (cannot import name 'whole'" in result.error["message"]


def test_a_setting_that_does_not_fit_is_usage(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_PORT", "eight")
    result = ask("config", "--json")
    assert result.code == 2
    assert "TIDEMILL_PORT" in result.error["message"]


def test_a_missing_folder_is_data(ask: Ask, tmp_path: Path) -> None:
    result = ask("data", "check", "coffee", *data(tmp_path / "no [where]"), "--json")
    assert (result.code, result.error["code"]) == (3, "data")
    assert "no [where]" in result.error["message"]
    assert "no [where]" in result.err


def test_an_empty_folder_is_data(ask: Ask, tmp_path: Path, home: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = ask("data", "snapshot", "coffee", *data(tmp_path / "empty"), "--json")
    assert (result.code, result.error["code"]) == (3, "data")
    assert "holds no" in result.error["message"]
    assert not (home / "snapshots").exists() or not list((home / "snapshots").iterdir())


def test_one_class_only_is_data(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "one" / "rust").mkdir(parents=True)
    Image.new("RGB", (40, 20)).save(tmp_path / "one" / "rust" / "1.png")
    result = ask("data", "snapshot", "coffee", *data(tmp_path / "one"), "--json")
    assert result.code == 3
    assert "one class only: rust" in result.error["message"]


def test_a_corrupt_image_among_good_ones_is_named_and_nothing_is_kept(
    ask: Ask, leaves: Path, home: Path
) -> None:
    (leaves / "train" / "rust" / "broken [1].png").write_bytes(b"\x89PNG\r\n\x1a\nhalf")
    result = ask("data", "snapshot", "coffee", *data(leaves), "--json")
    assert (result.code, result.error["code"]) == (3, "data_refused")
    assert any("train/rust/broken [1].png" in line for line in result.error["lines"])
    assert "broken [1].png" in result.err
    assert not (home / "snapshots").exists() or not list((home / "snapshots").iterdir())
    check = ask("data", "check", "coffee", *data(leaves))
    assert check.code == 3
    assert "broken [1].png" in check.err


def test_an_unknown_version_prediction_or_snapshot_is_data(ask: Ask, workspace: Path) -> None:
    for words in (
        ["models", "show", "v9"],
        ["models", "card", "v9"],
        ["models", "promote", "v9"],
        ["models", "rollback"],
        ["lineage", "01a1fb4b-8215-74df-a5f3-d6fc45fa526e"],
        ["data", "stats", "f00"],
        ["data", "stats"],
        ["predict", "leaf.png"],
    ):
        result = ask(*words)
        assert result.code == 3, words
        assert result.err.startswith("error: "), words
    assert ask("models", "show", "v9", "--json").error["code"] == "not_found"
    assert workspace.is_dir()


def test_without_a_workspace_everything_says_so(ask: Ask, home: Path) -> None:
    for words in (["models", "list"], ["data", "list"], ["lineage", "x"], ["predict", "x.png"]):
        result = ask(*words, "--json")
        assert (result.code, result.error["code"]) == (4, "unavailable"), words
        assert "no workspace" in result.error["message"]
        assert result.error["hint"]
    assert not home.exists()


def test_a_workspace_that_cannot_be_made_is_unavailable(ask: Ask, home: Path, leaves: Path) -> None:
    home.write_text("in the way")
    result = ask("data", "snapshot", "coffee", *data(leaves), "--json")
    assert (result.code, result.error["code"]) == (4, "storage_failed")
    assert str(home) in result.error["message"]
    assert home.read_text() == "in the way"


def test_snapshots_that_cannot_be_written_are_unavailable(
    ask: Ask, workspace: Path, leaves: Path
) -> None:
    (workspace / "snapshots").write_text("in the way")
    result = ask("data", "snapshot", "coffee", *data(leaves), "--json")
    assert (result.code, result.error["code"]) == (4, "storage_failed")


def test_a_damaged_ledger_is_said_so(ask: Ask, workspace: Path) -> None:
    for file in workspace.glob("ledger.sqlite*"):
        file.write_bytes(b"no database at all" * 100)
    assert ask("models", "list").code in (3, 4)


def test_a_whole_process_ends_as_the_table_says(home: Path, leaves: Path, tmp_path: Path) -> None:
    (leaves / "val" / "rust" / "0.png").write_bytes(b"broken")
    words = ("-m", "tidemill", "data", "snapshot", "coffee", *data(leaves), "--json")
    result = child(*words, TIDEMILL_HOME=str(home))
    assert result.code == 3
    assert any("val/rust/0.png" in line for line in result.error["lines"])
    (tmp_path / "file").write_text("in the way")
    result = child(*words, TIDEMILL_HOME=str(tmp_path / "file" / "home"))
    assert result.code == 4
    assert result.error["code"] == "storage_failed"
    assert not (home / "snapshots").exists() or not list((home / "snapshots").iterdir())


def test_the_command_alone_names_three_commands_to_begin_with(ask: Ask) -> None:
    result = ask()
    assert (result.code, result.err) == (0, "")
    named = re.findall(r"^  tidemill (\w+)", result.out, re.MULTILINE)
    assert named == ["doctor", "demo", "up"]
    assert set(named) <= {command.name for command in COMMANDS}
    assert "tidemill --help lists every command." in result.out
    assert max(map(len, result.out.splitlines())) <= 80


@pytest.mark.parametrize("words", [(), ("models",)])
def test_the_version_is_that_of_the_package(ask: Ask, words: tuple[str, ...]) -> None:
    result = ask("--version", *words)
    assert (result.code, result.out, result.err) == (0, f"tidemill {tidemill.__version__}\n", "")


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import json, sys\nimport tidemill.cli.main as cli\nbefore = sorted(sys.modules)\n"
        "sys.argv = ['tidemill', '--help']\n"
        "try:\n    cli.main()\nexcept SystemExit as left:\n    assert not left.code\n"
        "print(json.dumps([before, sorted(sys.modules)]), file=sys.stderr)\n"
    )
    result = child("-c", script)
    assert result.code == 0
    assert "tidemill" in result.out
    for loaded in json.loads(result.err.splitlines()[-1]):
        assert HEAVY & set(loaded) == set()
        assert "typer" in loaded


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_explains_itself_with_an_example(command: Any) -> None:
    shown = 0
    for path, leaf in walk(typer.main.get_command(build(command.name)), command.name):
        words = [*path, "--help"]
        result = CliRunner().invoke(build(command.name), words, env={"COLUMNS": "200"})
        assert result.exit_code == 0
        text = (leaf.help or "").strip()
        sentence, _, example = text.partition("\n\n")
        assert sentence.rstrip().endswith("."), words
        assert ". " not in " ".join(sentence.split()), f"{words}: one sentence"
        assert "\n" not in example.strip(), f"{words}: one example, on one line"
        assert example.strip().startswith(f"Example: tidemill {path[0]}"), words
        assert "Example: tidemill" in result.output
        shown += 1
    assert shown >= 1


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_example_is_a_line_that_the_command_takes(command: Any, home: Path) -> None:
    """Its options are known, and its settings fit the recipe or the policies of the loop."""
    for path, leaf in walk(typer.main.get_command(build(command.name)), command.name):
        words = shlex.split((leaf.help or "").rpartition("Example: tidemill ")[2])
        if hasattr(leaf, "commands"):
            assert words[1] in leaf.commands
            continue
        assert words[: len(path)] == path
        params = leaf.make_context(" ".join(path), words[len(path) :]).params
        overrides, recipe = params.get("overrides") or (), params.get("recipe")
        if path[0] in ("up", "loop", "feedback"):
            Workspace(home).policies(*overrides)
        elif recipe:
            Workspace(home, recipe).experiment(*overrides)
    assert not home.exists()


def walk(root: Any, wanted: str) -> Iterator[tuple[list[str], Any]]:
    """The wanted command and all below it, each with its words."""
    command = root.commands[wanted]
    yield [wanted], command
    for name, below in getattr(command, "commands", {}).items():
        yield [wanted, name], below


def family(kind: type[TidemillError]) -> Iterator[type[TidemillError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from family(child)


def test_every_error_has_an_exit_code_of_its_kind() -> None:
    codes = {kind.__name__: exit_code(kind("It is broken.")) for kind in family(TidemillError)}
    wanted = {
        "TidemillError": 1,
        "Conflict": 1,
        "GateRefused": 1,
        "UsageError": 2,
        "DataError": 3,
        "BadPayload": 3,
        "DataRefused": 3,
        "Corrupt": 3,
        "NotFound": 3,
        "Unavailable": 4,
        "Overloaded": 4,
        "StorageFailed": 4,
    }
    assert {name: code for name, code in codes.items() if name in wanted} == wanted
    assert set(codes.values()) <= {1, 2, 3, 4}
    assert set(EXIT_CODES.values()) == {1, 2, 3, 4}
    assert exit_code(DataRefused("no", lines=["a"])) == 3


def test_a_person_is_spared_a_screenful_of_reasons_and_a_machine_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tidemill.cli.main import _fail
    from tidemill.screen import LISTED

    lines = tuple(f"reason {at}" for at in range(LISTED + 3))
    monkeypatch.setattr("sys.argv", ["tidemill", "train", "--json"])
    with pytest.raises(SystemExit):
        _fail("data_refused", "Refused.", "", 3, lines)
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["lines"] == list(lines)
    assert f"reason {LISTED - 1}" in err
    assert f"reason {LISTED}" not in err
    assert "... and 3 more" in err
