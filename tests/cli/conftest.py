"""A workspace of pebbles for commands, and a way to give one in this process."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tidemill.cli.main import main


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def body(self) -> Any:
        """The one JSON object on stdout."""
        return json.loads(self.out)


Ask = Callable[..., Said]


@pytest.fixture
def beach(pebbled: Path, tmp_path: Path) -> Path:
    """A copy of that workspace."""
    return shutil.copytree(pebbled, tmp_path / "home")


@pytest.fixture
def tell(beach: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs the command line over that copy, in this process."""
    monkeypatch.setenv("TIDEMILL_HOME", str(beach))
    monkeypatch.setenv("TIDEMILL_ACTOR", "eve")

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["tidemill", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        output = capsys.readouterr()
        assert "Traceback" not in output.out + output.err
        return Said(int(left.value.code or 0), output.out, output.err)

    return run
