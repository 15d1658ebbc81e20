"""The metrics of all workers behind a port, whichever of them is asked.

Each worker writes its numbers to a file twice a second. The one that is asked writes its own and
adds those of the others. The file of a worker that ended is kept, so no counter decreases.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from tidemill.web.metrics import Metrics

LIVE, ENDED = "live", "ended"
"""The folders of the files of workers that run, and of those that have ended."""
SUFFIX = ".json"
CUMULATIVE = ("counter", "histogram", "summary")
"""What a worker that ended still counts in."""
LEAST = ("tidemill_ready", "process_start_time_seconds", "process_max_fds")
"""Gauges of which the smallest value holds for all workers."""

Families = list[list[Any]]
"""Name, help, type and samples of each metric. A sample is its name, labels and value."""


class SharedMetrics:
    """The numbers of one worker, and their sum with those of the others."""

    def __init__(self, metrics: Metrics, folder: Path, name: str) -> None:
        self._metrics = metrics
        self._folder = folder
        self._path = folder / LIVE / f"{name}{SUFFIX}"
        self._writing = threading.Lock()
        for part in (LIVE, ENDED):
            (folder / part).mkdir(exist_ok=True)

    def write(self) -> None:
        """Write the numbers of this worker. A reader sees the file of before, or this one."""
        with self._writing:
            content = orjson.dumps(_rows(self._metrics.registry))
            new = self._path.with_suffix(".new")
            new.write_bytes(content)
            new.replace(self._path)

    def render(self) -> bytes:
        """Return the numbers of all workers in the format of Prometheus."""
        self.write()
        return generate_latest(_Sum(read_families(self._folder)))


def end_metrics(folder: Path, name: str) -> None:
    """Keep the counters of a worker that has ended, and forget its other numbers."""
    path = folder / LIVE / f"{name}{SUFFIX}"
    if path.exists():
        path.replace(folder / ENDED / path.name)


def read_families(folder: Path) -> list[Metric]:
    """Return the sum of the numbers of all workers of a folder."""
    # In this order: the file of a worker that ends meanwhile is read here or there.
    live = _read_files(folder / LIVE)
    ended = _read_files(folder / ENDED)
    versions = {
        labels["version"]
        for families in live.values()
        for name, _, _, samples in families
        if name == "tidemill_slot_info"
        for _, labels, _ in samples
    }
    counters = [_keep_counters(ended[name], versions) for name in ended.keys() - live.keys()]
    return _add([*live.values(), *counters])


def _read_files(folder: Path) -> dict[str, Families]:
    contents = {}
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(FileNotFoundError):
            contents[path.name] = orjson.loads(path.read_bytes())
    return contents


def _keep_counters(families: Families, versions: set[str]) -> Families:
    """Return what a worker that ended has counted, of versions that are still loaded."""
    return [
        [name, text, kind, [row for row in samples if row[1].get("version", "") in {"", *versions}]]
        for name, text, kind, samples in families
        if kind in CUMULATIVE
    ]


def _rows(registry: CollectorRegistry) -> Families:
    return [
        [
            one.name,
            one.documentation,
            one.type,
            [[row.name, row.labels, row.value] for row in one.samples],
        ]
        for one in registry.collect()
    ]


def _add(contents: Iterable[Families]) -> list[Metric]:
    metrics: dict[str, Metric] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for families in contents:
        for family, text, kind, samples in families:
            metrics.setdefault(family, Metric(family, text, kind))
            sums = values.setdefault(family, {})
            for name, labels, value in samples:
                key = (name, tuple(labels.items()))
                sums[key] = _combine(name, sums[key], value) if key in sums else value
    for family, metric in metrics.items():
        metric.samples = [
            Sample(name, dict(labels), value) for (name, labels), value in values[family].items()
        ]
    return [*metrics.values()]


def _combine(name: str, one: float, other: float) -> float:
    if name in LEAST or name.endswith("_created"):
        return min(one, other)
    return max(one, other) if name.endswith("_info") else one + other


class _Sum:
    """Gives metrics to the writer of the text format, as a registry does."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)
