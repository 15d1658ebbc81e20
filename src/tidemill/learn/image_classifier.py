"""A pretrained image classifier of transformers with a head per target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tidemill.domain.errors import DataError, UsageError
from tidemill.learn.encoder import load_encoder
from tidemill.learn.image_base import ImageNetwork
from tidemill.learn.network import EMBEDDING, logits_of


class ImageClassifier(ImageNetwork):
    """An encoder, its embedding of a whole image, dropout, and one linear head per target.

    `size` is the (width, height) of the images. A `frozen` encoder keeps its weights and its
    statistics of batch normalisation: only the heads learn.
    """

    def __init__(
        self,
        encoder: PreTrainedModel,
        targets: Mapping[str, int],
        mean: Sequence[float],
        std: Sequence[float],
        *,
        size: tuple[int, int],
        frozen: bool,
        dropout: float,
        seed: int,
    ) -> None:
        super().__init__(mean, std)
        self.targets = dict(targets)
        self.frozen = frozen
        self.encoder = encoder.requires_grad_(not frozen)
        self.dropout = nn.Dropout(dropout)
        width = self._embedding_size(size)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.heads = nn.ModuleList(nn.Linear(width, k) for k in self.targets.values())

    @classmethod
    def pretrained(
        cls,
        path: Path,
        targets: Mapping[str, int],
        mean: Sequence[float],
        std: Sequence[float],
        *,
        size: tuple[int, int],
        frozen: bool = False,
        dropout: float = 0.1,
        seed: int = 0,
    ) -> Self:
        """Return the encoder of the classifier in a folder; the heads it was saved with are left
        out.

        The new heads' first weights depend on `seed` alone. Raises DataError when the folder holds
        no encoder of images or not all of its weights, UsageError for a size that it cannot take.
        """
        encoder, missing = load_encoder(path)
        if encoder.main_input_name != "pixel_values":
            raise DataError(
                f"{path} holds no encoder of images, but a {encoder.config.model_type}.",
                hint="Any image classifier of transformers will do.",
            )
        pooling = {name for name in missing if name.startswith("pooler.")}
        if missing - pooling:
            raise DataError(
                f"The weights in {path} lack {', '.join(sorted(missing - pooling)[:3])}."
            )
        if pooling:
            # A classifier that never used its pooler was saved without it. A random one would
            # contain nothing of the image.
            del encoder.pooler
            encoder.register_module("pooler", None)
        try:
            return cls(
                encoder,
                targets,
                mean,
                std,
                size=size,
                frozen=frozen,
                dropout=dropout,
                seed=seed,
            )
        except (ValueError, RuntimeError, TypeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UsageError(
                f"The encoder in {path} takes no images of {size[0]} x {size[1]}:"
                f" {reason.rstrip('.')}.",
                hint="Leave model.size out, and it is given the size that it was trained on.",
            ) from error

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        embedding = self._embedding(self.normalised(image))
        outputs = {EMBEDDING: embedding}
        for target, head in zip(self.targets, self.heads, strict=True):
            outputs[logits_of(target)] = head(self.dropout(embedding)).float()
        return outputs

    def _embedding(self, pixels: Tensor) -> Tensor:
        if self.frozen and self.encoder.training:
            # Not in `train`, because Lightning warns of a module that is not in training at the
            # start.
            self.encoder.train(False)
        answered: Any = self.encoder(pixel_values=pixels)
        pooled: Tensor | None = getattr(answered, "pooler_output", None)
        if pooled is None:
            hidden: Tensor = answered.last_hidden_state
            # A transformer uses the first token, which stands for all; convolutions use their mean.
            pooled = hidden[:, 0] if hidden.ndim == 3 else hidden.mean(dim=(2, 3))
        return pooled.flatten(1).float()

    def _embedding_size(self, size: tuple[int, int]) -> int:
        """Encode one image, because only that shows which sizes an encoder accepts."""
        before = self.encoder.training
        self.encoder.train(False)
        with torch.inference_mode():
            embedding_size = self._embedding(torch.zeros(1, 3, size[1], size[0])).shape[1]
        self.encoder.train(before)
        return embedding_size
