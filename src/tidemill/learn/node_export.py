"""Export a network of graphs, and prove that the file gives the same answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from tidemill.codecs.codec import Arrays
from tidemill.learn.attention import HOMOPHILY
from tidemill.learn.export import Parity, gap, open_graph, write_graph
from tidemill.learn.inference import NetworkOutputs
from tidemill.learn.network import Network
from tidemill.learn.parity_graphs import LINKS, graph

_AXES = {"features": "nodes", "edges": "edges", "query": "query"}


def export_nodes(
    network: Network, temperatures: Mapping[str, float], path: Path, features: int
) -> None:
    """Write the network as one ONNX file for any number of nodes, edges and queried nodes.

    Outputs are those of `export.export`, one row per queried node, and HOMOPHILY.
    """
    shown = graph(9, features, LINKS)
    axes = [{0: torch.export.Dim(_AXES[name])} for name in shown]
    write_graph(network, temperatures, path, shown, axes, also=[HOMOPHILY])


def parity_nodes(
    network: Network,
    temperatures: Mapping[str, float],
    path: Path,
    graphs: Iterable[tuple[str, Arrays]],
) -> Parity:
    """Compare calibrated probabilities of the network and of the file, graph by graph.

    The answers that were compared are counted, and the sizes are those of the graphs. Raises
    DataError as `export.gap` does, naming the graph.
    """
    session = open_graph(path)
    names = [output.name for output in session.get_outputs()]
    worst, examples, sizes = 0.0, 0, []
    for name, arrays in graphs:
        answered = dict(zip(names, session.run(names, arrays), strict=True))
        worst = max(worst, gap(infer_nodes(network, arrays), answered, temperatures, f"on {name}"))
        examples += len(arrays["query"])
        sizes.append(len(arrays["features"]))
    return Parity(worst, examples, tuple(sizes))


def infer_nodes(network: Network, arrays: Arrays) -> NetworkOutputs:
    """Return all named outputs of a network in evaluation mode, one row per queried node."""
    with torch.inference_mode():
        outputs = network(**{name: torch.from_numpy(array) for name, array in arrays.items()})
    return {name: output.numpy() for name, output in outputs.items()}
