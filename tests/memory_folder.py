"""Temporary files of tests in memory, where the machine has a folder for that with enough room.

The product sends all that it writes to the disk, and waits for it: half of the suite's time on a
usual disk. No test looks at a disk after a loss of power, so none can tell the difference.

A pytest plugin; `tests/conftest.py` loads it for every test.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

VARIABLE = "PYTEST_DEBUG_TEMPROOT"
"""Where pytest makes its temporary folders; whoever sets it is obeyed."""
FOLDER = Path("/dev/shm")
MEMORY = Path("/proc/meminfo")
ROOM = 6 * 2**30
"""Bytes that the folder and the memory must have free; a run needs a third of that."""


def available(report: str) -> int:
    """The bytes of memory that Linux could give to processes, by its `/proc/meminfo`."""
    rows = dict(line.split(":", 1) for line in report.splitlines() if ":" in line)
    return int(rows.get("MemAvailable", "0 kB").split()[0]) * 1024


def has_room(folder: Path, memory: Path) -> bool:
    """True when the folder is there, is writable, and has room in memory."""
    if not (folder.is_dir() and os.access(folder, os.W_OK) and memory.is_file()):
        return False
    return min(shutil.disk_usage(folder).free, available(memory.read_text())) >= ROOM


def pytest_configure() -> None:
    """Choose the folder; the workers of xdist work in that of the process that starts them."""
    if "PYTEST_XDIST_WORKER" not in os.environ and has_room(FOLDER, MEMORY):
        os.environ.setdefault(VARIABLE, str(FOLDER))


def pytest_report_header() -> str:
    """Say where the files lie."""
    return f"temporary files: {os.environ.get(VARIABLE, 'on the disk')}"
