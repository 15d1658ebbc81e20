"""The peers' own environments, made by pip from `requirements/NAME.txt` beside this file."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from bench.environment import clean
from bench.record import ROOT
from tidemill.domain.errors import Unavailable

REQUIREMENTS = Path(__file__).parent / "requirements"
ENVIRONMENTS = ROOT / ".venv-peers"
BIN = "Scripts" if os.name == "nt" else "bin"


def read_pins(name: str) -> dict[str, str]:
    """Return the versions that a file of requirements pins, by package."""
    lines = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pins = (line.partition(";")[0].split("==") for line in lines if not line.startswith("#"))
    return {package.strip().lower().replace("_", "-"): pin.strip() for package, pin in pins}


def install(name: str, root: Path = ENVIRONMENTS) -> Path:
    """Return the Python of a peer's environment, which is made where it is missing or outdated.

    Raises Unavailable when pip fails; the next call then starts anew.
    """
    folder = root / name
    python, stamp = folder / BIN / "python", folder / ".installed"
    requirements = REQUIREMENTS / f"{name}.txt"
    state = hashlib.sha256(sys.version.encode() + requirements.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == state:
        return python
    print(f"Installing {name} into {folder} ...", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    if subprocess.run([*pip, "-r", str(requirements)], env=clean(), check=False).returncode:
        raise Unavailable(f"pip could not install {name}; see above.")
    stamp.write_text(state, encoding="utf-8")
    return python
