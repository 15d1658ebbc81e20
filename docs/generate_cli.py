"""Writes docs/cli.md from `--help` of every command; with --check, only says whether it is current.

Run it with the project's interpreter: `.venv/bin/python docs/generate_cli.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import typer.main
from typer.core import TyperGroup
from typer.testing import CliRunner

from tidemill.cli.main import COMMANDS, build

PAGE = Path(__file__).parent / "cli.md"
WIDTH = "100"
HEAD = """# Commands

Written by `docs/generate_cli.py` from `--help` of every command; do not edit it by hand.
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(
        f"\n{'##' if len(words) < 2 else '###'} `{' '.join(('tidemill', *words))}`\n\n"
        f"```text\n{_help(words)}\n```\n"
        for words in ((), *_every())
    )


def _every() -> Iterator[tuple[str, ...]]:
    """The words of every command, a group before its members."""
    for row in COMMANDS:
        yield (row.name,)
        group = typer.main.get_command(build(row.name))
        command = group.commands[row.name] if isinstance(group, TyperGroup) else None
        if isinstance(command, TyperGroup):
            for name in command.commands:
                yield (row.name, name)


def _help(words: tuple[str, ...]) -> str:
    app = build(words[0] if words else None)
    said = CliRunner().invoke(app, [*words, "--help"], prog_name="tidemill")
    if said.exit_code:
        raise SystemExit(f"tidemill {' '.join(words)} --help failed: {said.output}")
    return "\n".join(line.rstrip() for line in said.output.strip("\n").splitlines()).strip()


def main() -> None:
    # Typer reads these when it first writes a help text, which is below this line.
    for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
        os.environ.pop(name, None)
    os.environ |= {
        "COLUMNS": WIDTH,
        "TERMINAL_WIDTH": WIDTH,
        "NO_COLOR": "1",
        "_TYPER_FORCE_DISABLE_TERMINAL": "1",
    }
    written = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(written, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != written:
        raise SystemExit(f"{PAGE.name} is not up to date; run {Path(__file__).name} to write it.")


if __name__ == "__main__":
    main()
