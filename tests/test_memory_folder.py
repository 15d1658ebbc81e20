"""Where temporary files lie: in memory with enough room, on the disk otherwise."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.memory_folder import ROOM, VARIABLE, available, has_room

ROOT = Path(__file__).parents[1]
PLENTY = f"MemTotal: 1 kB\nMemAvailable:   {ROOM // 1024} kB\n"
SHORT = f"MemAvailable:   {ROOM // 1024 - 1} kB\n"
PLANTED = "def test_it(tmp_path):\n    print(f'lies in {tmp_path}')\n"


def test_the_memory_is_what_linux_could_give() -> None:
    assert available("MemFree: 7 kB\nMemAvailable:       12 kB\n") == 12 * 1024
    assert available("MemFree: 7 kB\n") == 0


@pytest.mark.parametrize(
    ("report", "free", "room"),
    [(PLENTY, ROOM, True), (SHORT, ROOM, False), (PLENTY, ROOM - 1, False), (None, ROOM, False)],
    ids=["enough", "short of memory", "small folder", "another system"],
)
def test_a_folder_needs_room_and_memory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    report: str | None,
    free: int,
    room: bool,
) -> None:
    memory = tmp_path / "meminfo"
    if report is not None:
        memory.write_text(report)
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert has_room(tmp_path, memory) is room
    assert not has_room(tmp_path / "nowhere", memory)


def test_who_names_a_folder_is_obeyed(tmp_path: Path) -> None:
    (tmp_path / "test_planted.py").write_text(PLANTED)
    words = ("-q", "-s", "-p", "tests.memory_folder", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "--rootdir", str(tmp_path), "test_planted.py"],
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", VARIABLE: str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"lies in {tmp_path}/" in done.stdout
