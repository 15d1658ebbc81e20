"""A throw-away environment with what serving needs and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections import Counter
from pathlib import Path

from bench.record import ROOT
from tidemill.domain.errors import Unavailable

MB = 1e6
BLOCK = 512


class Environment:
    """A virtual environment in `folder`, without pip and setuptools of its own."""

    def __init__(self, folder: Path) -> None:
        """Make it, empty."""
        venv.create(folder, with_pip=False, symlinks=os.name != "nt")
        scripts = folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = scripts / "python"
        self.tidemill = scripts / "tidemill"
        site_packages = self.ask("import sysconfig; print(sysconfig.get_path('purelib'))")
        self.packages = Path(site_packages)

    def install(self) -> None:
        """The pinned serving requirements, then Tidemill alone; no bytecode is compiled.

        Raises Unavailable when pip cannot.
        """
        self._pip("-r", str(ROOT / "requirements" / "serve.txt"))
        self._pip("--no-deps", str(ROOT))

    def ask(self, code: str) -> str:
        """What a line of Python prints there."""
        done = subprocess.run(
            [str(self.python), "-c", code],
            env=clean(),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def importable(self, names: tuple[str, ...]) -> list[str]:
        """Those of the names that can be found there."""
        code = f"import importlib.util as u; print(*[n for n in {names!r} if u.find_spec(n)])"
        return self.ask(code).split()

    def _pip(self, *words: str) -> None:
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "-qq"]
        done = subprocess.run([*pip, "--no-compile", *words], env=clean(), check=False)
        if done.returncode:
            raise Unavailable("pip could not install what serving needs; see above.")


def clean() -> dict[str, str]:
    """This process's environment without what would change another Python's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def disk_mb(folder: Path) -> float:
    """MB (10^6 bytes) that the files take on disk, whole blocks, as `du` counts."""
    return sum(_sizes(folder).values()) / MB


def parts_mb(folder: Path) -> dict[str, float]:
    """The same for each entry of the folder, largest first."""
    return {name: size / MB for name, size in _sizes(folder).most_common()}


def content_mb(folder: Path) -> float:
    """MB (10^6 bytes) of the files' contents."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file()) / MB


def _sizes(folder: Path) -> Counter[str]:
    sizes: Counter[str] = Counter()
    for entry in folder.rglob("*"):
        status = entry.lstat()
        # Windows has no blocks.
        size = status.st_blocks * BLOCK if hasattr(status, "st_blocks") else status.st_size
        sizes[entry.relative_to(folder).parts[0]] += size
    return sizes
