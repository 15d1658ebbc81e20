"""The sources that run: the project's git revision, and a digest of Tidemill's own code."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import tidemill

PACKAGE = Path(tidemill.__file__).parent
LIBRARIES = ("numpy", "onnx", "onnxruntime", "pillow", "torch")


def code(folder: Path) -> dict[str, Any]:
    """Return the revision of the git checkout around `folder` and the digest of the installed
    package.

    `changed` tells whether the checkout differs from its revision: in a file that git tracks, or
    by a file that it does not track among the package's sources. Outside a checkout, or without
    git, `revision` is empty and `changed` None, since nobody knows; the digest always tells.
    """
    return {
        "tidemill": tidemill.__version__,
        "package": package_digest(),
        "revision": _git(folder, "rev-parse", "HEAD") or "",
        "changed": _changed(folder),
    }


def environment() -> dict[str, Any]:
    """Return the versions and the platform, which affect the figures of a run, too."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "processors": os.cpu_count(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def package_digest() -> str:
    """Return the sha256 over every source file of the package, by path."""
    root = PACKAGE
    digest = hashlib.sha256()
    for path in sorted([*root.rglob("*.py"), *root.rglob("*.yaml")]):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _changed(folder: Path) -> bool | None:
    tracked = _git(folder, "status", "--porcelain", "--untracked-files=no")
    if tracked is None:
        return None
    # This asks about nothing when the package lies outside the checkout, and that is no change.
    strays = _git(folder, "ls-files", "--others", "--exclude-standard", "--", str(PACKAGE))
    return bool(tracked or strays)


def _git(folder: Path, *words: str) -> str | None:
    """Return the output of git; None when git is missing or fails."""
    try:
        done = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        # Git is missing or does not answer; the package's digest still identifies the code.
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
