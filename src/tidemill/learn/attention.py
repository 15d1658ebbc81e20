"""Graph attention: a node's answer depends on its own features and those of its neighbours.

P. Velickovic and others, "Graph Attention Networks", ICLR 2018 (GAT); S. Brody, U. Alon, E. Yahav,
"How Attentive are Graph Attention Networks?", ICLR 2022 (GATv2). Both layers are PyTorch
Geometric's.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from tidemill.learn.network import EMBEDDING, Network, logits_of

with warnings.catch_warnings():
    # PyTorch Geometric (2.8) compiles parts of itself in a way that torch (2.13) deprecates.
    warnings.filterwarnings(
        "ignore", message=r"`torch\.jit\..*` is deprecated", category=DeprecationWarning
    )
    from torch_geometric.nn import GATConv, GATv2Conv
    from torch_geometric.nn.aggr import SumAggregation

HOMOPHILY = "measure_homophily"
"""How similar the answers of a node's neighbours are: a drift feature that only the model has."""

Kind = Literal["gat", "gatv2"]
_LAYERS: dict[Kind, type[GATConv | GATv2Conv]] = {"gat": GATConv, "gatv2": GATv2Conv}


class _Sum(SumAggregation):  # type: ignore[misc]
    """The library's sum over a node's neighbours, computed head by head in an exported graph.

    ONNX adds elements by an index for each element, so all heads at once need as many indices as
    numbers, which takes most of the memory. (Adding whole rows needs one index a row, but ONNX
    Runtime does it in several threads that overwrite one another.)
    """

    def forward(
        self,
        x: Tensor,
        index: Tensor,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
    ) -> Tensor:
        if dim_size is None or not torch.compiler.is_exporting():
            summed: Tensor = super().forward(x, index, ptr, dim_size, dim)
            return summed
        to = index.unsqueeze(1).expand(-1, x.shape[-1])
        nothing = x.new_zeros((dim_size, x.shape[-1]))
        return torch.stack([nothing.scatter_add(0, to, head) for head in x.unbind(1)], dim=1)


class AttentionNetwork(Network):
    """A layer of several heads side by side, ELU, and a layer of one head for each target.

    Takes what `codecs.graph.GraphCodec` makes: `features` is the number of them, and the self-loops
    come with the edges. In training `dropout` forgets that part of both layers' inputs and of
    the attention. The initial weights depend on `seed` alone; the global generator is left as it
    was.
    """

    def __init__(
        self,
        targets: Mapping[str, int],
        *,
        features: int,
        kind: Kind = "gat",
        heads: int = 8,
        width: int = 8,
        dropout: float = 0.6,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.targets = dict(targets)
        self.dropout = dropout
        layer = _LAYERS[kind]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            options = {"dropout": dropout, "add_self_loops": False, "aggr": _Sum()}
            self.body = layer(features, width, heads, **options)
            self.heads = nn.ModuleList(
                layer(heads * width, k, **options) for k in self.targets.values()
            )

    def forward(self, features: Tensor, edges: Tensor, query: Tensor) -> dict[str, Tensor]:
        """Return one row per node in `query` int64 [q].

        `features` is float32 [N, F], in training sparse as well; `edges` int64 [E, 2], from and
        to, with a self-loop for every node. Besides the embedding and the logits: HOMOPHILY [q],
        the mean over a node's neighbours of the product of their two distributions (before
        any temperature) and over targets; of its own with itself where it has no neighbour.
        """
        ends = edges.t()
        hidden = functional.elu(self.body(self._dropped(features), ends))
        outputs = {EMBEDDING: hidden[query]}
        alike = []
        for target, head in zip(self.targets, self.heads, strict=True):
            logits = head(functional.dropout(hidden, self.dropout, self.training), ends)
            outputs[logits_of(target)] = logits[query]
            alike.append(_agreement(logits.softmax(dim=1), edges)[query])
        outputs[HOMOPHILY] = torch.stack(alike).mean(dim=0)
        return outputs

    def _dropped(self, features: Tensor) -> Tensor:
        if not (self.training and features.is_sparse):
            return functional.dropout(features, self.dropout, self.training)
        # Dropping a zero changes nothing. On sparse words this does a hundredth of the work.
        return torch.sparse_coo_tensor(
            features.indices(),
            functional.dropout(features.values(), self.dropout),
            features.shape,
            is_coalesced=True,
            check_invariants=False,
        )


def _agreement(chances: Tensor, edges: Tensor) -> Tensor:
    """Return, per node [N], the mean of its neighbours' `chances` [N, k] times its own, summed."""
    source, node = edges[:, 0], edges[:, 1]
    apart = (source != node).to(chances.dtype)
    products = (chances[source] * chances[node]).sum(dim=1) * apart
    nothing = torch.zeros_like(chances[:, 0])
    count = nothing.scatter_add(0, node, apart)
    mean = nothing.scatter_add(0, node, products) / count.clamp(min=1)
    return torch.where(count > 0, mean, chances.square().sum(dim=1))
