"""Show that every pinned dependency has a wheel for newer versions of Python.

Run by `make wheels`. Pip's own resolver decides, in a dry run: it takes the pins of
`requirements/*.txt` for another Python on this machine's platform, wheels only, and reports the
file of each pin. Nothing is installed. A recent pip reads a wheel's metadata by range requests, so
no wheel is downloaded whole where the index allows that; what is downloaded whole is named.
The script ends with 1 when a pin lacks a wheel, or when a wheel needs what no file pins.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).parent
VERSIONS = ("3.12", "3.13")
PIP = "pip==26.3"
"""Older ones download every wheel whole, also in a dry run (measured with 23.2 and 24.2)."""
EXEMPT = {"antlr4-python3-runtime": "source only, pure Python; Hydra demands this old version"}
"""Pins without any wheel, each with the reason why that is no obstacle."""
NOT_SHOWN = {
    "torch": "this is pip's default build; nothing is shown about a build for the CPU alone"
}
"""Pins whose wheel says less than one might think."""
BUILD_NEEDS = {"torch": re.compile("cuda-|nvidia-|triton")}
"""What a default build needs in addition, and pip chooses: the pins fit each build of a version."""
UNMATCHED = re.compile(
    r"^ERROR: No matching distribution found for ([A-Za-z0-9._-]+?)(?:==|\s|$)", re.M
)
WHOLE = re.compile(r"^\s*Downloading (\S+\.whl) \((.+?)\)", re.M)


@dataclass
class Findings:
    """What pip reported for one version of Python."""

    files: dict[str, str] = field(default_factory=dict)
    """Name of a pin to the file of its wheel."""
    gaps: list[str] = field(default_factory=list)
    unpinned_needs: list[str] = field(default_factory=list)
    whole_files: list[str] = field(default_factory=list)
    """Wheels that pip downloaded whole, with their sizes."""


def read_pins(texts: Iterable[str]) -> dict[str, str]:
    """Name to line of every pin in these requirement files; two versions of one are an error."""
    pins: dict[str, str] = {}
    for line in (line for text in texts for line in text.splitlines()):
        if not line or line.startswith("#"):
            continue
        name = canonicalize_name(Requirement(line).name)
        if pins.setdefault(name, line) != line:
            raise ValueError(f"{pins[name]!r} and {line!r} pin one dependency.")
    return pins


def read_files(report: Mapping[str, Any]) -> dict[str, str]:
    """Name to file name of each wheel in pip's report; the place it comes from is left out."""
    return {
        canonicalize_name(row["metadata"]["name"]): row["download_info"]["url"].rpartition("/")[2]
        for row in report["install"]
    }


def read_unpinned(report: Mapping[str, Any], pins: Mapping[str, str], version: str) -> list[str]:
    """What the reported wheels need under this Python and no pin satisfies, a sentence for each."""
    environment = {str(key): str(value) for key, value in default_environment().items()}
    environment |= {"python_version": version, "python_full_version": f"{version}.0", "extra": ""}
    needs = [
        (row["metadata"]["name"], Requirement(text))
        for row in report["install"]
        for text in row["metadata"].get("requires_dist", [])
    ]
    return sorted(
        f"{name} needs {need.name}{need.specifier}"
        for name, need in needs
        if need.marker is None or need.marker.evaluate(environment)
        if not (_satisfied(need, pins) or _of_the_build(name, need))
    )


def _satisfied(need: Requirement, pins: Mapping[str, str]) -> bool:
    pin = pins.get(canonicalize_name(need.name))
    if pin is None:
        return False
    version = str(Requirement(pin).specifier).removeprefix("==")
    return need.specifier.contains(version, prereleases=True)


def _of_the_build(name: str, need: Requirement) -> bool:
    pattern = BUILD_NEEDS.get(canonicalize_name(name))
    return pattern is not None and pattern.match(need.name) is not None


def name_without_wheel(errors: str) -> str | None:
    """The name of the pin that pip found no wheel for; None when it failed for another reason."""
    match = UNMATCHED.search(errors)
    return canonicalize_name(match[1]) if match else None


def resolve(python: Path, version: str, pins: Mapping[str, str], folder: Path) -> Findings:
    """Ask pip for the wheels of all pins; a pin without one is set aside and pip is asked again."""
    findings = Findings()
    lines_file, report = folder / "pins.txt", folder / "report.json"
    while True:
        rest = [pins[name] for name in pins if name not in (*EXEMPT, *findings.gaps)]
        lines_file.write_text("\n".join(rest) + "\n", encoding="utf-8")
        words = [python, "-m", "pip", "install", "--dry-run", "--report", report, "--no-deps"]
        words += ["--use-feature", "fast-deps", "--only-binary", ":all:", "--ignore-installed"]
        words += ["--python-version", version, "--target", folder / "none", "-r", lines_file]
        run = subprocess.run(
            [str(word) for word in words], capture_output=True, text=True, check=False
        )
        findings.whole_files += [f"{name} ({size})" for name, size in WHOLE.findall(run.stdout)]
        if run.returncode == 0:
            content = json.loads(report.read_text(encoding="utf-8"))
            findings.files = read_files(content)
            findings.unpinned_needs = read_unpinned(content, pins, version)
            return findings
        name = name_without_wheel(run.stderr)
        if name is None or name in findings.gaps:
            sys.exit(f"pip failed for Python {version}:\n{run.stderr[-2000:]}")
        findings.gaps.append(name)


def cell(name: str, findings: Findings) -> str:
    """What the table says about a pin under one Python: its wheel's tags, or that there is none."""
    if name in EXEMPT:
        return "exempt"
    file = findings.files.get(name)
    return "NO WHEEL" if file is None else "-".join(file.split("-")[-3:-1])


def table(pins: Mapping[str, str], results: Mapping[str, Findings]) -> list[str]:
    """A row for each pin: its version, and its wheel's tags under each Python."""
    rows = [["pin", *(f"Python {version}" for version in results)]]
    rows += [
        [pins[name].partition(";")[0].strip(), *(cell(name, row) for row in results.values())]
        for name in sorted(pins)
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(word.ljust(wide) for word, wide in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def faults(pins: Mapping[str, str], results: Mapping[str, Findings]) -> list[str]:
    """A sentence for everything that keeps a newer Python from installing the pins."""
    stale = [f"{name} is exempt and no longer pinned." for name in EXEMPT if name not in pins]
    lacks = [
        f"{pins[name]} has no wheel for Python {version}."
        for version, row in results.items()
        for name in pins
        if cell(name, row) == "NO WHEEL"
    ]
    needs = [
        f"Under Python {version}, {need}, which no file pins."
        for version, row in results.items()
        for need in row.unpinned_needs
    ]
    return stale + lacks + needs


def notes(pins: Mapping[str, str], results: Mapping[str, Findings]) -> list[str]:
    """What the table does not show."""
    lines = [f"{name}: {reason}." for name, reason in EXEMPT.items() if name in pins]
    lines += [
        f"{name}: {reason}."
        for name, reason in NOT_SHOWN.items()
        if any("+cpu" not in row.files.get(name, "+cpu") for row in results.values())
    ]
    whole = sorted({file for row in results.values() for file in row.whole_files})
    return [*lines, f"Downloaded whole: {', '.join(whole) or 'nothing'}."]


def main(versions: Sequence[str]) -> None:
    texts = [
        path.read_text(encoding="utf-8")
        for path in FOLDER.glob("*.txt")
        if path.stem != "constraints"
    ]
    pins = read_pins(texts)
    results: dict[str, Findings] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "env", with_pip=True)
        python = folder / "env" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        words = [str(python), "-m", "pip", "install", "--quiet", PIP]
        if subprocess.run(words, check=False).returncode:
            sys.exit(f"{PIP} cannot be installed; the lines above say why.")
        for version in versions:
            results[version] = resolve(python, version, pins, folder)
    print(*table(pins, results), "", *notes(pins, results), sep="\n")
    print(f"Asked for {platform.system()} {platform.machine()}, {len(pins)} pins.")
    if wrong := faults(pins, results):
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main(sys.argv[1:] or VERSIONS)
