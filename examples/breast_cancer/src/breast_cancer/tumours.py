"""The Breast Cancer Wisconsin (Diagnostic) data, which scikit-learn carries: 569 tumours."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sklearn.datasets import load_breast_cancer
from tidemill.codecs.columns import row_to_json
from tidemill.domain.types import Example, payload_id

TARGET = "diagnosis"


class Tumours:
    """Fulfils `tidemill.domain.ports.Source`: one row of measurements for each tumour."""

    name = "scikit-learn"

    def __init__(self) -> None:
        data = load_breast_cancer()
        self._columns = [str(name) for name in data.feature_names]
        self._rows = data.data.tolist()
        self._labels = [str(data.target_names[at]) for at in data.target]

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Nothing is missing: the data came with the library."""

    def examples(self) -> Iterator[Example]:
        for at, (row, label) in enumerate(zip(self._rows, self._labels, strict=True)):
            payload = row_to_json(dict(zip(self._columns, row, strict=True)))
            yield Example(
                id=payload_id(payload),
                payload=payload,
                labels={TARGET: label},
                source=self.name,
                origin=f"row {at}",
            )

    def __len__(self) -> int:
        return len(self._rows)
