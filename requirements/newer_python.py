"""Run the tests that need no training on newer versions of Python, with the pins of serving.

Run by `make test-newer`. Each version gets an environment of its own, `.venv-<version>`: the pins
of `wordpiece.txt`, Tidemill, and the tools of the tests at the versions of `dev.txt`. A version
that is not on this machine is skipped, and a line says so. `tests/without_training.py` decides
which tests a missing library of training rules out; every other failure counts.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parent.parent
VERSIONS = ("3.12", "3.13")
TOOLS = ("alembic", "hypothesis", "onnx", "packaging", "pytest", "pytest-xdist", "schemathesis")
"""What the tests use beside the server: a test makes ledgers and tiny models by itself."""
INPUTS = ("requirements/wordpiece.txt", "requirements/dev.txt", "pyproject.toml")
MARKS = "not slow and not chaos and not case"
FLOORS = {"adapters": 50, "codecs": 200, "contracts": 120, "loop": 70, "web": 200}
"""Folder to how many of its tests pass at least. A new import of a training library would otherwise
rule out the tests of a folder, and nobody would see it."""
BIN = "Scripts" if sys.platform == "win32" else "bin"


def candidates(version: str, environment: Mapping[str, str]) -> Iterator[Path]:
    """Where a Python of this version may be: on the path, then among the versions of pyenv."""
    for name in (f"python{version}", "python3", "python"):
        if path := shutil.which(name, path=environment.get("PATH", "")):
            yield Path(path)
    home = (
        environment.get("PYENV_ROOT") or Path(environment.get("HOME", "~")).expanduser() / ".pyenv"
    )
    folders = [*Path(home).glob(f"versions/{version}.*"), *Path(home).glob(f"versions/{version}")]
    yield from (folder / "bin" / "python" for folder in sorted(folders))


def find_python(version: str, environment: Mapping[str, str]) -> Path | None:
    """A Python that starts and is of this version; a launcher of pyenv may be there and refuse."""
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    for python in candidates(version, environment):
        try:
            run = subprocess.run(
                [str(python), "-c", question],
                capture_output=True,
                text=True,
                check=False,
                env=dict(environment),
            )
        except OSError:
            continue
        if run.returncode == 0 and run.stdout.strip() == version:
            return python
    return None


def digest(python: Path) -> str:
    """Changes whenever an environment has to be made anew."""
    texts = [str(python), *TOOLS, *((ROOT / name).read_text(encoding="utf-8") for name in INPUTS)]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def install(python: Path, folder: Path) -> Path:
    """The environment of this Python, with everything in it; its own Python is returned.

    Raises CalledProcessError when a step fails; the next call then starts anew.
    """
    own, stamp = folder / BIN / "python", folder / ".installed"
    state = digest(python)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == state:
        return own
    pip = [str(own), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    locks = ["-r", "requirements/wordpiece.txt", "-c", "requirements/dev.txt"]
    shutil.rmtree(folder, ignore_errors=True)
    for words in (
        [str(python), "-m", "venv", str(folder)],
        [*pip, *locks, *TOOLS],
        [*pip, "--no-deps", "-e", "."],
    ):
        subprocess.run(words, cwd=ROOT, check=True)
    stamp.write_text(state, encoding="utf-8")
    return own


def count_passed(report: str) -> dict[str, int]:
    """How many tests of each folder below `tests` passed, by a report in the form of JUnit."""
    counts: Counter[str] = Counter()
    for case in ElementTree.fromstring(report).iter("testcase"):  # noqa: S314 (pytest wrote it)
        if not list(case):
            folder = case.attrib["classname"].split(".")
            counts[folder[1] if len(folder) > 2 else "tests"] += 1
    return dict(counts)


def shortfalls(counts: Mapping[str, int]) -> list[str]:
    """A sentence for each folder of FLOORS in which fewer tests passed."""
    return [
        f"tests/{folder}: {counts.get(folder, 0)} tests passed, at least {floor} should."
        for folder, floor in FLOORS.items()
        if counts.get(folder, 0) < floor
    ]


def run_tests(python: Path) -> list[str]:
    """Run the tests in an environment; a sentence for each thing that is wrong."""
    with tempfile.TemporaryDirectory() as name:
        report = Path(name) / "report.xml"
        line = [str(python), "-m", "pytest", "-p", "tests.without_training", "-q", "-m", MARKS]
        line += ["-p", "no:cacheprovider", "-n", "2", "--dist", "loadgroup"]
        run = subprocess.run([*line, f"--junitxml={report}"], cwd=ROOT, check=False)
        if run.returncode:
            return ["Pytest failed."]
        return shortfalls(count_passed(report.read_text(encoding="utf-8")))


def main() -> None:
    faults = []
    for version in VERSIONS:
        python = find_python(version, os.environ)
        if python is None:
            print(f"Python {version}: skipped, none is on the path or among pyenv's versions.")
            continue
        print(f"Python {version}: the tests that need no training.", flush=True)
        try:
            own = install(python, ROOT / f".venv-{version}")
        except subprocess.CalledProcessError as error:
            faults.append(
                f"Python {version}: {shlex.join(error.cmd)} ended with {error.returncode}."
            )
            continue
        faults += [f"Python {version}: {fault}" for fault in run_tests(own)]
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
