"""Commands on a terminal whose encoding lacks what they print."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import surroundings

SCRIPT = """
import sys
from tidemill.screen import OUT, accept_any_character, emit
accept_any_character()
text = "\\u00e4\\U0001f343\\udcff"
OUT.print(text) if sys.argv[1:] else emit({"label": text})
"""


def written(*words: str, encoding: str, home: Path) -> bytes:
    result = subprocess.run(
        [sys.executable, *words],
        env=surroundings(home, PYTHONIOENCODING=encoding, COLUMNS="60"),
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


@pytest.mark.parametrize("words", ["models list", "--help", "models card v1"])
def test_a_command_ends_well_in_ascii(pebbled: Path, words: str) -> None:
    out = written("-m", "tidemill", *words.split(), encoding="ascii", home=pebbled)
    assert out.decode("ascii").strip()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_the_same_object_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    out = written("-c", SCRIPT, encoding=encoding, home=tmp_path)
    assert json.loads(out.decode(encoding)) == {"label": "ä\U0001f343\udcff"}


def test_a_character_that_the_encoding_lacks_is_escaped(tmp_path: Path) -> None:
    out = written("-c", SCRIPT, "text", encoding="latin-1", home=tmp_path)
    assert out.decode("latin-1").strip() == "ä\\U0001f343\\udcff"
