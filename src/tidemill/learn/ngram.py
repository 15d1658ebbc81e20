"""A bag of hashed n-grams, trained from scratch: one table look-up and one sum."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tidemill.learn.network import EMBEDDING, Network, logits_of

SPREAD = 0.1
"""Standard deviation of the table's initial entries."""


class NGramNetwork(Network):
    """Takes what `codecs.text.TextCodec` makes of a text's grams.

    `embedding` [n, dim] is the weighted sum of the grams' rows in a table of `buckets` by `dim`
    (Joulin et al., "Bag of Tricks for Efficient Text Classification", 2017); each target has a
    linear head on it. In training a gram is left out with probability `dropout` and the others
    are scaled up. The initial weights depend on `seed` alone; the global generator is left as it
    was.
    """

    ragged = ("ids", "weights")

    def __init__(
        self,
        targets: Mapping[str, int],
        *,
        buckets: int,
        dim: int = 16,
        dropout: float = 0.3,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.targets = dict(targets)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            # Row 0 is the padding: its weight in the sum is 0, so its content does not matter.
            self.table = nn.Embedding(buckets + 1, dim)
            nn.init.normal_(self.table.weight, std=SPREAD)
            # A list, because a target may have a name that a ModuleDict refuses ("keys").
            self.heads = nn.ModuleList(nn.Linear(dim, k) for k in self.targets.values())
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """`ids` int64 and `weights` float32, both [n, l]."""
        weighted: Tensor = self.dropout(weights)
        embedding = (weighted.unsqueeze(1) @ self.table(ids)).squeeze(1)
        outputs = {EMBEDDING: embedding}
        for target, head in zip(self.targets, self.heads, strict=True):
            outputs[logits_of(target)] = head(embedding)
        return outputs
