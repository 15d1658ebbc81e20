"""`docs/own-recipe.md` is followed by the letter, in an empty folder, as a user would.

Its blocks stand between tildes, because they need a folder in which the recipe is installed:

    `path`:   followed by a block: a file to write, the same as the one in examples/
    sh        `pip install -e .` (here into a folder on the path, with nothing fetched), `pytest`,
              and `tidemill serve`, which goes on until the page ends, on a free port
    console   as on every page
    python    run in a process of its own
    yaml      columns that the table codec takes
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from omegaconf import OmegaConf

from tests.test_docs import Terminal
from tidemill.codecs.table import TableCodec
from tidemill.data.snapshots import SnapshotStore

# Whoever follows the page serves all tests here: a minute of installing, training and serving.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("own-recipe")]
ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "own-recipe.md"
EXAMPLE = ROOT / "examples" / "breast_cancer"
BLOCK = re.compile(r"(?:^`([\w./]+)`:\n\n)?^~~~(\w+)\n(.*?)^~~~$", re.M | re.S)
SERVED = "http://localhost:8000"


class Installed(Terminal):
    """Runs commands in processes, which find the recipe that was installed for them."""

    def tidemill(self, *words: str) -> str:
        assert words[0] == "tidemill", words
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        self.code = done.returncode
        return done.stdout


class Reader:
    """Somebody who does what the page says, in `folder`, with `site` on the path."""

    def __init__(self, folder: Path, site: Path) -> None:
        self.folder = folder
        self.site = site
        self.url = ""
        self._terminal = Installed(folder)
        inherited = filter(None, [os.environ.get("PYTHONPATH")])
        self._terminal.environment["PYTHONPATH"] = os.pathsep.join([str(site), *inherited])
        self._server: subprocess.Popen[str] | None = None

    def close(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.communicate(timeout=30)

    def follow(self, file: str, language: str, content: str) -> None:
        """Do one block."""
        if file:
            path = self.folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        elif language == "sh":
            for line in content.splitlines():
                self._shell(*shlex.split(line))
        elif language == "console":
            self._terminal.console(content)
            assert self._terminal.code == 0
        elif language == "python":
            self.python("-W", "error", "-c", content.replace(SERVED, self.url))
        else:
            assert language == "yaml", language
            TableCodec.from_config(dict(OmegaConf.create(content)))

    def _shell(self, *words: str) -> None:
        if words == ("pip", "install", "-e", "."):
            offline = ("--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir")
            quiet = ("--quiet", "--disable-pip-version-check", "--target", str(self.site))
            self.python("-m", "pip", "install", *offline, *quiet, ".")
        elif words == ("tidemill", "serve"):
            self._serve()
        else:
            assert words[0] == "pytest", words
            self.python("-m", *words, "-q", "-p", "no:cacheprovider")

    def python(self, *words: str) -> str:
        """Run a process of Python and give what it printed."""
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env=self._terminal.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _serve(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tidemill", "serve", "--port", "0"],
            cwd=self.folder,
            env=self._terminal.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._server.stdout
        text = ""
        for line in self._server.stdout:
            text += line
            if "ready: " in line:
                break
        match = re.search(r"listens on (\S+)", text)
        assert match, text
        self.url = match[1]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Who has followed the page to its end; the server is still there."""
    instance = Reader(tmp_path_factory.mktemp("own"), tmp_path_factory.mktemp("site"))
    try:
        for block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
            instance.follow(*block)
        yield instance
    finally:
        instance.close()


@dataclass(frozen=True)
class Tumour:
    """A row of the test set, which the training did not have, and what it is."""

    row: dict[str, float]
    label: str


@pytest.fixture(scope="module")
def tumours(reader: Reader) -> list[Tumour]:
    folder = reader.folder / ".tidemill" / "snapshots"
    [snapshot] = SnapshotStore(folder).list()
    rows = SnapshotStore(folder).open(snapshot).rows("test")
    return [Tumour(json.loads(row.payload), row.labels["diagnosis"]) for row in rows]


def malignant(reader: Reader, rows: list[dict[str, float]]) -> list[float]:
    """How likely each row is malignant, as a client is told."""
    body = {"instances": [{"row": row} for row in rows]}
    entries = httpx.post(f"{reader.url}/v1/predict", json=body, trust_env=False).json()[
        "predictions"
    ]
    return [entry["probabilities"]["malignant"] for entry in entries]


def in_parts(reader: Reader, rows: list[dict[str, float]]) -> list[float]:
    return [
        share for at in range(0, len(rows), 16) for share in malignant(reader, rows[at : at + 16])
    ]


def test_the_page_is_true_and_its_files_are_those_of_the_example(reader: Reader) -> None:
    files = {block[0] for block in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if block[0]}
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."],
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode == 0:
        assert files == set(tracked.stdout.split()) - {"README.md"}
    for name in files:
        shown, example = (path / name for path in (reader.folder, EXAMPLE))
        assert shown.read_text(encoding="utf-8") == example.read_text(encoding="utf-8"), name


def test_it_is_right_about_rows_it_never_saw(reader: Reader, tumours: list[Tumour]) -> None:
    probabilities = in_parts(reader, [tumour.row for tumour in tumours])
    right = [
        (share > 0.5) == (tumour.label == "malignant")
        for share, tumour in zip(probabilities, tumours, strict=True)
    ]
    assert len(right) > 60
    assert sum(right) / len(right) > 0.93


def test_neither_the_order_of_columns_nor_the_form_of_a_number_matters(
    reader: Reader, tumours: list[Tumour]
) -> None:
    row = tumours[0].row | {"mean area": 700.0}
    turned = dict(reversed(list(row.items()))) | {"mean area": 700}
    one, other = malignant(reader, [row, turned])
    assert one == other


def test_larger_cells_are_never_judged_more_harmless(reader: Reader, tumours: list[Tumour]) -> None:
    sizes = ("worst radius", "worst perimeter", "worst area", "worst concave points")
    larger = [tumour.row | {name: 1.3 * tumour.row[name] for name in sizes} for tumour in tumours]
    before = in_parts(reader, [tumour.row for tumour in tumours])
    after = in_parts(reader, larger)
    assert all(b >= a - 0.02 for a, b in zip(before, after, strict=True))
    assert sum(after) > sum(before) + 2


def test_a_typical_row_of_each_kind_is_named(reader: Reader, tumours: list[Tumour]) -> None:
    for label, share in (("malignant", 1), ("benign", 0)):
        rows = [tumour.row for tumour in tumours if tumour.label == label]
        typical = {name: sorted(row[name] for row in rows)[len(rows) // 2] for name in rows[0]}
        assert malignant(reader, [typical]) == [pytest.approx(share, abs=0.1)]


def test_the_document_names_the_columns(reader: Reader) -> None:
    document = httpx.get(f"{reader.url}/openapi.json", trust_env=False).json()
    row = document["components"]["schemas"]["TableRow"]["properties"]["row"]
    assert len(row["required"]) == 30
    assert "/diagnose/" in document["paths"]


@pytest.mark.parametrize(
    ("body", "status"), [("{}", 400), ('{"mean radius": "wide"}', 422), ("[1]", 422)]
)
def test_what_is_no_row_is_refused(reader: Reader, body: str, status: int) -> None:
    kind = {"content-type": "application/json"}
    answer = httpx.post(f"{reader.url}/diagnose/", content=body, headers=kind, trust_env=False)
    assert answer.status_code == status
    assert answer.json()["error"]["hint"]


def test_a_server_of_it_loads_nothing_that_trains(reader: Reader) -> None:
    code = (
        "import sys; from tidemill.serving import load_routes; load_routes('breast_cancer');"
        "import tidemill.codecs.table; print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = set(reader.python("-c", code).split())
    assert not {"sklearn", "torch", "scipy", "pyarrow", "hydra"} & loaded
    assert "breast_cancer" in loaded
