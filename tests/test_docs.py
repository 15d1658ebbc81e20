"""The documentation is true: commands parse, blocks run, tables are complete, links lead somewhere.

The language of a fenced block says what happens to it, in README.md, docs/*.md and
the README of the coffee recipe:

    sh       commands to copy: each must parse as the command line would parse it
    console  `$ command` lines and what they print: run in order, in one folder for each page;
             `...` stands for anything
    python   run in that folder too, the blocks of a page sharing their names
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import typer.main
from PIL import Image
from typer.core import TyperGroup

from tidemill.adapters.hydra import resolve
from tidemill.cli.main import BUG, COMMANDS, build, exit_code, main
from tidemill.data.checks import FindingKind
from tidemill.data.policy import POLICIES
from tidemill.domain import errors
from tidemill.domain.cycle import CycleState
from tidemill.domain.errors import TidemillError
from tidemill.experiment import read_experiment
from tidemill.loop import drift, gate
from tidemill.recipes.recipe import open_recipe
from tidemill.screen import OUT, SCREEN
from tidemill.settings import Settings
from tidemill.web.errors import FRAMEWORK_CODES, GONE, INTERNAL, STATUS
from tidemill.workspace.policies import Policies, policies

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
RECIPES = sorted((ROOT / "src" / "tidemill" / "recipes").glob("*/README.md"))
PAGES = (ROOT / "README.md", *sorted(DOCS.glob("*.md")), *RECIPES)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and content of each fenced block."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def section(text: str, title: str) -> str:
    """What stands below a heading, up to the next one of the same rank."""
    match = re.search(rf"^(#+) {re.escape(title)}$(.*?)(?=^\1 |\Z)", text, re.M | re.S)
    assert match, title
    return match[2]


def rows(text: str) -> dict[str, list[str]]:
    """The tables in a text: first cell to the others, without their backquotes."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip().replace("`", "") for cell in line.split("|")[1:-1]] for line in lines]
    return {row[0]: row[1:] for row in cells}


def prose(text: str) -> str:
    """A text without its fenced blocks and inline code."""
    return re.sub(r"`[^`\n]+`", "", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))


@cache
def command(*words: str) -> Any:
    """The command of these words, as the command line builds it."""
    node: Any = typer.main.get_command(build(words[0]))
    for word in words:
        assert word in node.commands, f"There is no command {' '.join(words)!r}."
        node = node.commands[word]
    return node


def every_command() -> Iterator[tuple[str, ...]]:
    for row in COMMANDS:
        yield (row.name,)
        group = command(row.name)
        if isinstance(group, TyperGroup):
            yield from ((row.name, name) for name in group.commands)


def assert_parses(words: list[str]) -> None:
    """Parse one command line as the product would, experiment included; run nothing."""
    used = 2 if isinstance(command(words[0]), TyperGroup) else 1
    chosen = command(*words[:used])
    parameters = chosen.make_context(" ".join(words[:used]), words[used:]).params
    if words[0] in ("feedback", "loop", "up"):
        policies(None, parameters.get("overrides") or [])
    elif parameters.get("overrides"):
        read_experiment(resolve(open_recipe(parameters["recipe"]).conf, parameters["overrides"]))


def shell_lines(block: str) -> Iterator[list[str]]:
    """The words of each line of a shell block, settings in front of a command left out."""
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.match(r"[A-Z_]+=", words[0]):
            words.pop(0)
        if words:
            yield words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_every_shell_line_parses(page: Path) -> None:
    verbs = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    for language, content in blocks(page):
        assert language in ("sh", "console", "python", "json", "yaml", "mermaid", "text", ""), (
            language
        )
        for words in shell_lines(content) if language == "sh" else ():
            if words[0] == "make":
                assert set(words[1:]) <= set(verbs), words
            elif words[0].rpartition("/")[2] == "tidemill":
                assert_parses(words[1:])


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_the_example_in_every_help_text_parses(words: tuple[str, ...]) -> None:
    example = re.search(r"Example: tidemill (.+)", command(*words).help)
    assert example
    assert_parses(shlex.split(example[1]))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("serve --prot 1", "No such option"),
        ("models promote", "Missing parameter"),
        ("models demote v1", "There is no command 'models demote'"),
        ("train coffee train.epoch=4", "There is no setting"),
        ("train coffee train.epochs=0", "epochs"),
    ],
)
def test_a_shell_line_that_is_wrong_is_noticed(line: str, fault: str) -> None:
    with pytest.raises(Exception, match=fault):
        assert_parses(line.split())


def expects(printed: str, expected: str) -> bool:
    """True when the expected lines come in what was printed, in this order."""
    lines = [re.escape(line.strip()).replace(r"\.\.\.", ".*") for line in expected.splitlines()]
    pattern = r"(?:.*\n)*?".join(rf"\s*{line}\s*?\n" for line in lines)
    return re.search(rf"^{pattern}", printed, re.M) is not None


class Terminal:
    """Runs what a page says, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.code = 0
        unset = {name for name in os.environ if name.startswith("TIDEMILL_")}
        self.environment = {k: v for k, v in os.environ.items() if k not in unset}
        self.environment |= {"COLUMNS": "200", "PYTHONUTF8": "1", "NO_COLOR": "1"}

    def console(self, block: str) -> None:
        """Run each `$ ` line; a failure that the page does not show is one of the page."""
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            line, _, expected = part.partition("\n")
            if line == "echo $?":
                assert expected.split() == [str(self.code)], line
                self.code = 0
                continue
            assert self.code == 0, f"exit code {self.code} before {line}"
            assert expects(self.tidemill(*shlex.split(line)), expected), line

    def tidemill(self, *words: str) -> str:
        """Run a command in this process, as `tidemill` does, and return what it prints."""
        assert words[0] == "tidemill", words
        before, arguments = dict(os.environ), sys.argv
        screen = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="", write_through=True)
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(screen),
            contextlib.redirect_stderr(screen),
            pytest.raises(SystemExit) as left,
            pytest.MonkeyPatch.context() as patch,
        ):
            for console in (OUT, SCREEN):
                # Rich reads COLUMNS once, when whichever test came first imported the screen.
                patch.setattr(console, "_width", int(self.environment["COLUMNS"]))
            try:
                os.environ.clear()
                os.environ.update(self.environment)
                sys.argv = list(words)
                main()
            finally:
                sys.argv = arguments
                os.environ.clear()
                os.environ.update(before)
        self.code = int(left.value.code or 0)
        screen.seek(0)
        return screen.read()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_python_and_console_blocks_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    terminal = Terminal(tmp_path)
    for language, content in blocks(page):
        if language == "python":
            exec(compile(content, page.name, "exec"), names)  # noqa: S102 - it is our own page
        elif language == "console":
            terminal.console(content)
    assert terminal.code == 0
    for image in tmp_path.glob("*.png"):
        assert_same_image(image, page.parent / image.name)


def assert_same_image(actual: Path, shown: Path) -> None:
    """The image on the page is the one its block makes; a palette may be chosen otherwise."""
    assert shown.stat().st_size < 150_000
    pixels = [np.asarray(Image.open(path).convert("RGB"), np.int16) for path in (actual, shown)]
    assert pixels[0].shape == pixels[1].shape
    assert np.abs(pixels[0] - pixels[1]).mean() < 6


def test_a_console_block_is_held_to_what_it_shows(tmp_path: Path) -> None:
    assert expects("a\nb c d\n", "b ... d")
    assert not expects("a\nb c d\n", "b c")
    assert not expects("a\nb\n", "b\na")
    terminal = Terminal(tmp_path)
    with pytest.raises(AssertionError, match="tidemill data list"):
        terminal.console("$ tidemill data list\nall is well\n")


def test_every_command_is_on_the_generated_page_which_is_up_to_date() -> None:
    for words in every_command():
        assert f"`tidemill {' '.join(words)}`\n" in text_of("cli.md")
    script = str(DOCS / "generate_cli.py")
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_commands_that_answer_take_json() -> None:
    without = {
        " ".join(words)
        for words in every_command()
        if not isinstance(command(*words), TyperGroup)
        and "as_json" not in {parameter.name for parameter in command(*words).params}
    }
    assert without == {"up"}  # README.md names it


def test_every_setting_has_a_row_with_its_default() -> None:
    table = rows(section(text_of("serving.md"), "Settings"))
    for name, field in Settings.model_fields.items():
        default, _ = table[f"TIDEMILL_{name.upper()}"]
        value = field.get_default(call_default_factory=False)
        if field.default_factory is None and value is not None:
            names = isinstance(value, tuple)
            assert default == ((",".join(value) or "empty") if names else str(value)), name


def test_every_policy_of_the_loop_has_a_row_with_its_default() -> None:
    table = rows(section(text_of("loop.md"), "Policies"))
    known = {
        f"{group}.{name}": str(value)
        for group, policy in Policies()
        for name, value in dataclasses.asdict(policy).items()
    }
    assert {name: row[0] for name, row in table.items() if "." in name} == known


def test_every_value_of_the_drift_policy_has_a_row_with_its_default() -> None:
    table = rows(section(text_of("drift.md"), "Policy"))
    known = {name: f"{value:g}" for name, value in dataclasses.asdict(drift.DriftPolicy()).items()}
    assert {name: row[0] for name, row in list(table.items())[2:]} == known


def test_every_state_of_a_cycle_is_explained() -> None:
    table = section(text_of("loop.md"), "A cycle")
    assert all(f"`{state}`" in table for state in get_args(CycleState))


def test_every_gate_check_has_a_heading_and_every_value_its_default() -> None:
    page = text_of("gate.md")
    checks = {
        name
        for name, function in vars(gate).items()
        if getattr(function, "__module__", "") == gate.__name__
        and getattr(function, "__annotations__", {}).get("return") == "Check"
    }
    assert len(checks) >= 7
    assert set(re.findall(r"^### `(\w+)`$", page, re.M)) == checks
    table = rows(section(page, "Policy"))
    for value in dataclasses.fields(gate.GatePolicy):
        assert table[value.name][0] == str(value.default), value.name


def tree(root: type[TidemillError]) -> Iterator[type[TidemillError]]:
    """The product's own classes; tests make further ones."""
    yield root
    for child in root.__subclasses__():
        if child.__module__.startswith("tidemill."):
            yield from tree(child)


def test_every_error_has_a_row_with_its_status_and_exit_code() -> None:
    table = rows(section(text_of("serving.md"), "Errors"))
    edge = {code: (str(status), "") for status, code in FRAMEWORK_CODES.items()}
    edge |= {"internal": ("500", ""), "client_gone": ("499", "")}
    edge |= {"bug": ("", str(BUG)), "interrupted": ("", "130")}
    assert {INTERNAL[0], GONE[0]} < set(edge)
    for kind in tree(errors.TidemillError):
        edge[kind.code] = (str(STATUS[kind]), str(exit_code(kind("x"))))
    rows_of = {code: (row[0], row[1]) for code, row in table.items()}
    assert {code: rows_of[code] for code in edge} == edge
    assert set(rows_of) - set(edge) == {"code", "---"}


def test_every_finding_has_a_row_with_its_severity() -> None:
    table = rows(section(text_of("data.md"), "Checks"))
    for kind in get_args(FindingKind):
        mild = kind in ("near_duplicate", "unlabelled")
        assert table[kind][0] == ("warning" if mild else "error"), kind
    policies = rows(section(text_of("data.md"), "Policies"))
    assert [name.removesuffix(" (default)") for name in policies][2:] == list(POLICIES)


def test_every_direct_dependency_has_a_row_and_no_other_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    parts = {"Core": project["dependencies"], **project["optional-dependencies"]}
    packages: dict[str, set[str]] = {}
    for title, body in re.findall(
        r"^## `?(\w+)`?:.*?$(.*?)(?=^## |\Z)", text_of("dependencies.md"), re.M | re.S
    ):
        packages[title] = set(rows(body)) - {"library", "---"}
    named = {
        part: {re.split(r"[^\w-]", line)[0] for line in lines} - {"tidemill"}
        for part, lines in parts.items()
    }
    assert packages == named


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", prose(page.read_text(encoding="utf-8"))):
        path, _, test = target.partition("#")
        destination = (page.parent / path) if path else page
        assert destination.exists(), target
        if test:
            titles = re.findall(r"^#+ (.+)$", destination.read_text(encoding="utf-8"), re.M)
            slugs = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
            assert test in slugs, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_no_page_names_another_host_or_a_path_of_one_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.findall(r"https?://(?!localhost|127\.0\.0\.1)\S+", text)
    assert not re.findall(r"\b[\w-]+\.(?:org|io|com|net|dev)\b", text)
    assert not re.findall(r"(?<![\w.~])/(?:home|root|tmp|work|Users|mnt|opt)/", text)
