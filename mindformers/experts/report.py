"""What a split is worth, layer by layer: balance, likeness within experts, and the energy that chosen experts keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mindformers.experts.coactivation import check_activations
from mindformers.experts.kmeans import neuron_features
from mindformers.experts.labels import expert_size, random_labels
from mindformers.experts.routing import choose_experts, expert_sums
from mindformers.modalities.table import MODALITIES
from mindformers.tools.errors import InputError

Batches = Iterable[tuple[np.ndarray, np.ndarray]]
_ENERGIES = {"energy": np.square, "magnitude": np.abs}
_FIRST_RANDOM, _NUM_RANDOM = (
    1000,
    5,
)  # splits by lot differ by about a per cent from each other; their mean is the yardstick


def layer_report(
    layer: int,
    labels: np.ndarray,
    num_experts: int,
    w1: np.ndarray,
    w3: np.ndarray,
    batches: Batches = (),
    top_k: Mapping[str, int] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """One layer's figures, each beside the mean of a few random balanced splits. JSON-able.

    Args:
        layer: its number.
        labels: whole numbers [F].
        num_experts: E.
        w1, w3: gate and value rows [F, D].
        batches: (activations h [T, F], modality rows [T]) of the layer, read once; none for a report on weights alone.
        top_k: experts a token may use, by the name of its modality.
        seed: of the random splits.

    Returns: `layer`; `balance` with `min` and `max` neurons of an expert; `similarity` with the mean cosine of two
        neurons of one expert, `experts` and `random`; and `kept`, by modality: `tokens`, `top_k`, and the share of the
        sum of h^2 (`energy`) and of |h| (`magnitude`) in the chosen experts, each `experts` and `random`.
    """
    by_lot = [random_labels(len(labels), num_experts, seed + _FIRST_RANDOM + number) for number in range(_NUM_RANDOM)]
    features = neuron_features(w1, w3)
    counts = np.bincount(labels, minlength=num_experts)
    kept = _KeptShares({"experts": [labels], "random": by_lot}, num_experts, top_k or {})
    for h, modality_rows in batches:
        kept.add(h, modality_rows)
    return {
        "layer": layer,
        "balance": {"min": int(counts.min()), "max": int(counts.max())},
        "similarity": {
            "experts": mean_cosine(features, labels, num_experts),
            "random": float(np.mean([mean_cosine(features, lot, num_experts) for lot in by_lot])),
        },
        "kept": kept.shares(),
    }


def mean_cosine(features: np.ndarray, labels: np.ndarray, num_experts: int) -> float:
    """The mean cosine of two different neurons of one expert: features [F, N], labels [F].

    From sums alone: the products of all pairs of unit rows are |sum of rows|^2 less the rows with themselves.
    """
    lengths = np.sqrt(np.einsum("fn,fn->f", features, features))
    unit = features / np.where(lengths > 0, lengths, 1)[:, None]
    members = (labels == np.arange(num_experts)[:, None]).astype(np.float32)
    sums = (members @ unit).astype(np.float64)
    counts = members.sum(axis=1)
    pairs = float((counts * (counts - 1)).sum())
    return float(((sums**2).sum() - np.count_nonzero(lengths)) / pairs) if pairs else 0.0


def table_of(reports: Iterable[Mapping[str, Any]]) -> str:
    """Reports as a plain text table, a line a layer and their mean; pairs are split / random, energies in per cent."""
    reports = list(reports)
    names = list(dict.fromkeys(name for report in reports for name in report["kept"]))
    lines = [["layer", "neurons an expert", "cosine", *(f"{name} energy, %" for name in names)]]
    lines += [_table_line(report, names) for report in reports]
    if len(reports) > 1:
        lines.append(_table_line(_mean_report(reports, names), names))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in lines)


def _mean_report(reports: list[Mapping[str, Any]], names: list[str]) -> dict[str, Any]:
    """The mean of all layers, as far as the table shows it."""

    def mean(*path: str) -> float:
        values = [value for report in reports if (value := _inner(report, path)) is not None]
        return float(np.mean(values))

    sides = ("experts", "random")
    return {
        "layer": "mean",
        "balance": {
            "min": min(report["balance"]["min"] for report in reports),
            "max": max(report["balance"]["max"] for report in reports),
        },
        "similarity": {side: mean("similarity", side) for side in sides},
        "kept": {name: {"energy": {side: mean("kept", name, "energy", side) for side in sides}} for name in names},
    }


def _inner(report: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = report
    for key in path:
        value = value.get(key) if value is not None else None
    return value


def _table_line(report: Mapping[str, Any], names: list[str]) -> list[str]:
    balance, similarity = report["balance"], report["similarity"]
    size = f"{balance['min']}" if balance["min"] == balance["max"] else f"{balance['min']}-{balance['max']}"
    shares = [report["kept"].get(name) for name in names]
    cells = [
        "-" if share is None else f"{100 * share['energy']['experts']:.1f} / {100 * share['energy']['random']:.1f}"
        for share in shares
    ]
    return [str(report["layer"]), size, f"{similarity['experts']:.3f} / {similarity['random']:.3f}", *cells]


class _KeptShares:
    """Sums, over batches, what the chosen experts keep of the activations and how much there was."""

    def __init__(self, splits: Mapping[str, list[np.ndarray]], num_experts: int, top_k: Mapping[str, int]) -> None:
        self.splits, self.num_experts, self.top_k = splits, num_experts, top_k
        self.num_neurons = len(splits["experts"][0])
        expert_size(self.num_neurons, num_experts, "expert report")
        self.tokens: dict[str, int] = {}
        self.kept: dict[tuple[str, str, str], float] = {}
        self.total: dict[tuple[str, str], float] = {}

    def add(self, h: np.ndarray, modality_rows: np.ndarray) -> None:
        """Count a batch in: h [T, F], rows [T], below 0 for tokens to leave out."""
        check_activations(h, modality_rows, self.num_neurons, len(MODALITIES))
        for row in np.unique(modality_rows[modality_rows >= 0]):
            self._add_modality(MODALITIES[row].name, np.asarray(h[modality_rows == row], np.float32))

    def _add_modality(self, name: str, h: np.ndarray) -> None:
        k = self._experts_of(name)
        self.tokens[name] = self.tokens.get(name, 0) + len(h)
        for energy, measure in _ENERGIES.items():
            strength = measure(h)
            self.total[name, energy] = self.total.get((name, energy), 0.0) + float(strength.sum(dtype=np.float64))
            for split, candidates in self.splits.items():
                found = float(np.mean([self._kept(h, strength, labels, k) for labels in candidates]))
                self.kept[name, energy, split] = self.kept.get((name, energy, split), 0.0) + found

    def _kept(self, h: np.ndarray, strength: np.ndarray, labels: np.ndarray, k: int) -> float:
        """The strength [T, F] that the k chosen experts of every token hold."""
        chosen = choose_experts(expert_sums(h, labels, self.num_experts), k)
        return float((expert_sums(strength, labels, self.num_experts) * chosen).sum(dtype=np.float64))

    def _experts_of(self, name: str) -> int:
        k = self.top_k.get(name)
        if k is None or not 0 < k <= self.num_experts:
            got = "is not given" if k is None else f"is {k}"
            expected, mend = f"1 to {self.num_experts}", "set it for every modality of the data"
            raise InputError(f"experts.top_k.{name}", got, expected, mend)
        return k

    def shares(self) -> dict[str, Any]:
        """By modality, in the order of the table."""
        names = [row.name for row in MODALITIES if row.name in self.tokens]
        return {
            name: {
                "tokens": self.tokens[name],
                "top_k": self.top_k[name],
                **{energy: {split: self._share(name, energy, split) for split in self.splits} for energy in _ENERGIES},
            }
            for name in names
        }

    def _share(self, name: str, energy: str, split: str) -> float:
        total = self.total[name, energy]
        return self.kept[name, energy, split] / total if total else 0.0
