"""A small network for rows of a table: numbers normalised, categories embedded, two layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tidemill.codecs.columns import KNOWN
from tidemill.learn.network import EMBEDDING, Network, logits_of

MOMENTUM = 0.1
"""The weight of the latest batch in centre and spread, after the first ten batches."""
FLAT = 1e-6
"""A column whose spread is not above this part of its centre differs by rounding alone."""
FARTHEST = 10.0
"""The number of spreads from the centre at which a number is clipped."""
WIDEST = 16
"""The largest size of a category's embedding."""


class Normalise(nn.Module):
    """Numbers [n, F] in spreads from their column's centre; 0 where `present` [n, F] is 0.

    Learnt as batch normalisation learns (S. Ioffe, C. Szegedy, "Batch Normalization", 2015), of
    what is present only. The spread is the mean absolute deviation, which has the numbers' own
    size, where a variance leaves single precision sooner. A column that does not vary becomes 0.
    """

    centre: Tensor
    spread: Tensor
    batches: Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(columns))
        self.register_buffer("spread", torch.zeros(columns))
        self.register_buffer("batches", torch.zeros(columns, dtype=torch.int64))

    def forward(self, numbers: Tensor, present: Tensor) -> Tensor:
        centre, spread = self.centre, self.spread
        if self.training:
            count = present.sum(dim=0)
            rows = count.clamp(min=1)
            centre = (numbers * present).sum(dim=0) / rows
            spread = ((numbers - centre).abs() * present).sum(dim=0) / rows
            self._follow(centre, spread, count > 0)
        varies = spread > FLAT * centre.abs()
        scale = torch.where(varies, 1 / torch.where(varies, spread, 1), 0)
        return ((numbers - centre) * scale).clamp(-FARTHEST, FARTHEST) * present

    def _follow(self, centre: Tensor, spread: Tensor, there: Tensor) -> None:
        self.batches += there
        # The mean of the first batches, so that the initial values do not count.
        share = there * (1 / self.batches.clamp(min=1)).clamp(min=MOMENTUM)
        self.centre.lerp_(centre, share)
        self.spread.lerp_(spread, share)


class TableNetwork(Network):
    """Takes what `codecs.table.TableCodec` makes; either kind of column may be lacking.

    `numbers` is how many columns of numbers there are, `categories` holds for each category how
    many values are listed. A category's missing and unknown values begin as nothing, so one that
    the training never showed adds nothing. `width` is that of both layers and of the embedding.
    The initial weights depend on `seed` alone; the global generator is left as it was.
    """

    def __init__(
        self,
        targets: Mapping[str, int],
        *,
        numbers: int = 0,
        categories: Sequence[int] = (),
        width: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.targets = dict(targets)
        sizes = [values + KNOWN for values in categories]
        widths = [min(size, WIDEST) for size in sizes]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.normalise = Normalise(numbers)
            self.words = nn.ModuleList(
                nn.Embedding(size, wide) for size, wide in zip(sizes, widths, strict=True)
            )
            self.body = nn.Sequential(
                nn.Linear(2 * numbers + sum(widths), width),
                nn.ReLU(),
                nn.Linear(width, width),
                nn.ReLU(),
            )
            # A list, because a target may have a name that a ModuleDict refuses ("keys").
            self.heads = nn.ModuleList(nn.Linear(width, k) for k in self.targets.values())
        with torch.no_grad():
            for table in self.words.parameters():
                table[:KNOWN] = 0

    def forward(
        self,
        numbers: Tensor | None = None,
        present: Tensor | None = None,
        categories: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """`numbers` and `present` float32 [n, F], `categories` int64 [n, C]."""
        parts: list[Tensor] = []
        if numbers is not None and present is not None:
            parts += [self.normalise(numbers, present), present]
        if categories is not None:
            parts += [table(categories[:, at]) for at, table in enumerate(self.words)]
        embedding: Tensor = self.body(torch.cat(parts, dim=1))
        outputs = {EMBEDDING: embedding}
        for target, head in zip(self.targets, self.heads, strict=True):
            outputs[logits_of(target)] = head(embedding)
        return outputs
