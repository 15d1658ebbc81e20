"""A pretrained transformer with a head per target, to be fine-tuned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tidemill.domain.errors import DataError, UsageError
from tidemill.learn.encoder import load_encoder
from tidemill.learn.network import EMBEDDING, Network, logits_of

Pooling = Literal["mean", "first", "pooler"]


class TransformerNetwork(Network):
    """An encoder, its answer pooled over the text, dropout, and one linear head per target.

    `pooling` takes the mean over the tokens that are no padding, the first token, or what the
    encoder itself makes of the first one (BERT's pooler). `forward` takes int64 `input_ids` and
    `attention_mask` [n, length].
    """

    ragged = ("input_ids", "attention_mask")

    def __init__(
        self,
        encoder: PreTrainedModel,
        targets: Mapping[str, int],
        *,
        pooling: Pooling,
        dropout: float,
        seed: int,
    ) -> None:
        super().__init__()
        self.targets = dict(targets)
        self.encoder = encoder
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            size = encoder.config.hidden_size
            self.heads = nn.ModuleList(nn.Linear(size, k) for k in self.targets.values())

    @classmethod
    def pretrained(
        cls,
        path: Path,
        targets: Mapping[str, int],
        *,
        pooling: Pooling = "mean",
        dropout: float = 0.1,
        seed: int = 0,
    ) -> Self:
        """Return the encoder in a directory as transformers keep it: `config.json` and the weights.

        The heads' first weights depend on `seed` alone. Raises DataError when the directory holds
        no encoder, or one whose weights are not all there; UsageError when it has no pooler and
        one is asked for.
        """
        encoder, lacking = load_encoder(path)
        # A pooler that is not used may be missing; anything else that is missing would be random.
        missing = {name for name in lacking if not name.startswith("pooler.")}
        if pooling == "pooler":
            missing |= {name for name in lacking if name.startswith("pooler.")}
            if getattr(encoder, "pooler", None) is None:
                raise UsageError(f"The encoder in {path} has no pooler.", hint="Use pooling=mean.")
        if missing:
            raise DataError(f"The weights in {path} lack {', '.join(sorted(missing)[:3])}.")
        return cls(encoder, targets, pooling=pooling, dropout=dropout, seed=seed)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        answered = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        if self.pooling == "pooler":
            embedding = answered.pooler_output
        elif self.pooling == "first":
            embedding = answered.last_hidden_state[:, 0]
        else:
            mask = attention_mask.unsqueeze(-1).to(answered.last_hidden_state.dtype)
            # A text without any token left has a mean of zero.
            count = mask.sum(dim=1).clamp(min=1)
            embedding = (answered.last_hidden_state * mask).sum(dim=1) / count
        outputs = {EMBEDDING: embedding.float()}
        for target, head in zip(self.targets, self.heads, strict=True):
            outputs[logits_of(target)] = head(self.dropout(embedding)).float()
        return outputs
