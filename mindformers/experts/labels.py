"""Labels say which expert a neuron belongs to: `labels[layer, neuron]`, every expert of a layer equally large."""

from __future__ import annotations

import numpy as np

from mindformers.tools.errors import InputError


def expert_size(num_neurons: int, num_experts: int, what: str) -> int:
    """F / E, the neurons of one expert. Raises InputError, naming `what`, where E does not divide F."""
    if num_experts < 1 or num_neurons < 1 or num_neurons % num_experts:
        raise InputError(
            what,
            f"{num_neurons} neurons do not split into {num_experts} equal experts",
            "a number of experts that divides the feed-forward width",
            "change experts.num_experts",
        )
    return num_neurons // num_experts


def check_labels(
    labels: np.ndarray,
    num_experts: int,
    what: str,
    expected_layers: int | None = None,
    expected_neurons: int | None = None,
) -> np.ndarray:
    """Hold labels to the rule that every expert of every layer has exactly F / E neurons.

    Args:
        labels: whole numbers [layers, F], 0 .. E - 1.
        num_experts: E.
        what: the file or key to name in an error.
        expected_layers, expected_neurons: layers and feed-forward width of the network they are meant for, where known.

    Returns: the labels as int32 [layers, F].
    Raises: InputError for another shape or network, an E that does not divide F, a label out of range, or experts of
        unequal size.
    """
    labels = np.asarray(labels)
    _check_form(labels, what)
    _check_network(labels, what, expected_layers, expected_neurons)
    size = expert_size(labels.shape[1], num_experts, what)
    for layer, row in enumerate(labels):
        _check_layer(row, layer, num_experts, size, what)
    return labels.astype(np.int32)


def random_labels(num_neurons: int, num_experts: int, seed: int) -> np.ndarray:
    """A balanced split by lot, int32 [F]: what a clustering has to beat."""
    size = expert_size(num_neurons, num_experts, "random split")
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(num_experts, dtype=np.int32), size))


def number_by_first_neuron(labels: np.ndarray) -> np.ndarray:
    """The same groups [F], numbered in the order of their first neurons: one partition, one way to write it."""
    _, first, group = np.unique(labels, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int32)
    number[np.argsort(first)] = np.arange(len(first))
    return number[group.reshape(-1)]


def _check_form(labels: np.ndarray, what: str) -> None:
    if labels.ndim != 2 or not labels.size or labels.dtype.kind not in "iu":
        got = f"labels are {labels.dtype} {list(labels.shape)}"
        raise InputError(what, got, "whole numbers [layers, neurons]", "make the file anew with split_experts")


def _check_network(labels: np.ndarray, what: str, layers: int | None, neurons: int | None) -> None:
    for axis, expected, unit in ((0, layers, "layers"), (1, neurons, "neurons a layer")):
        if expected is not None and labels.shape[axis] != expected:
            raise InputError(
                what,
                f"experts for {labels.shape[axis]} {unit}",
                f"{expected} {unit}, as in the network",
                "use the experts that were made from this checkpoint",
            )


def _check_layer(row: np.ndarray, layer: int, num_experts: int, size: int, what: str) -> None:
    row = row.astype(np.int64)
    outside = np.flatnonzero((row < 0) | (row >= num_experts))
    if len(outside):
        got = f"layer {layer}, neuron {outside[0]} has label {row[outside[0]]}"
        raise InputError(what, got, f"labels 0 to {num_experts - 1}", "check the number of experts")
    counts = np.bincount(row, minlength=num_experts)
    wrong = np.flatnonzero(counts != size)
    if len(wrong):
        got = f"layer {layer}, expert {wrong[0]} has {counts[wrong[0]]} neurons"
        raise InputError(what, got, f"{size} in each of {num_experts} experts", "balance the experts")
