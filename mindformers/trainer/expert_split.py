"""`--run_mode split_experts`: the feed-forward neurons of a pretrained network to experts of equal size."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import Tensor

from mindformers.config import Recipe
from mindformers.dataset.mindrecord import MindRecordBatches
from mindformers.experts.coactivation import CoactivationProfile
from mindformers.experts.files import write_experts
from mindformers.experts.grouping import apply_order, invert_order, neuron_order
from mindformers.experts.kmeans import cluster_neurons
from mindformers.experts.patterns import read_published
from mindformers.experts.report import layer_report, table_of
from mindformers.modalities import MODALITIES
from mindformers.models.llama.neuron_order import NEURON_ORDER, order_as_text, recorded_order
from mindformers.tools.errors import InputError
from mindformers.tools.files import write_json
from mindformers.tools.logging import get_logger
from mindformers.tools.progress import Progress
from mindformers.trainer.build import build_model_config, build_network, config_with_routing
from mindformers.trainer.checkpoint import kept_metadata, load_weights, save_weights
from mindformers.trainer.data import open_data
from mindformers.trainer.expert_probe import ActivationProbe, real_tokens
from mindformers.trainer.start import begin, required_checkpoint

logger = get_logger(__name__)
_SAMPLE_TOKENS = 16384  # of the data; the first half may choose between splits, the second half judges the result
_STARTS = 4  # of k-means, where there is data to choose between them
Samples = list[list[tuple[np.ndarray, np.ndarray]]]  # by layer: activations [T, F] and modality rows [T] of batches


def split_experts(recipe: Recipe, flags: argparse.Namespace) -> np.ndarray:
    """Group the neurons of every layer, or import a published grouping.

    Writes `--output` (labels), beside it `*.report.json`, and, where a checkpoint is given, `*.safetensors`: the same
    network with its neurons stored expert by expert, their original places in its head.

    Returns:
        The labels, int [layers, F], of the neurons in their original order.
    """
    output = _output(flags)
    if flags.patterns_dir and not recipe.load_checkpoint:
        config = build_model_config(recipe, None)
        labels = read_published(flags.patterns_dir, config.num_layers, config.ffn_size).labels
        _write(output, labels, config, "published", recipe)
        return labels
    required_checkpoint(recipe)
    begin(recipe)
    config = config_with_routing(recipe, "none")
    data = open_data(recipe, config, flags.data, recipe.train_batch_size) if flags.data else None
    net = build_network(recipe, config, random=False)
    source = load_weights(net, recipe.load_checkpoint)
    stored = recorded_order(str(source), kept_metadata(source), (config.num_layers, config.ffn_size))
    samples = _samples(net, config, data)
    labels = _labels(recipe, flags, net, config, data, stored, samples)
    original = labels if stored is None else np.take_along_axis(labels, invert_order(stored), 1)
    method = "published" if flags.patterns_dir else flags.method or "kmeans"
    _write(output, original, config, method, recipe)
    _report(output, recipe, net, config, labels, samples)
    order = neuron_order(labels)
    store_expert_by_expert(net, order)
    whole_order = order if stored is None else np.take_along_axis(stored, order, 1)
    checkpoint = output.with_suffix(".safetensors")
    save_weights(net.get_parameters(), checkpoint, {NEURON_ORDER: order_as_text(whole_order)})
    logger.info("the network with its neurons stored expert by expert: %s", checkpoint)
    return original


def store_expert_by_expert(net: Any, orders: np.ndarray) -> None:
    """Reorder every layer's neurons in place; the function stays the same up to the order of summation.

    Args:
        net: the network.
        orders: int [layers, F] of `neuron_order`.
    """
    for layer, order in zip(net.model.layers, orders, strict=True):
        cell = layer.feed_forward
        weights = [part.weight for part in (cell.w1, cell.w3, cell.w2)]
        for weight, value in zip(weights, apply_order(*[w.asnumpy() for w in weights], order), strict=True):
            weight.set_data(Tensor(np.ascontiguousarray(value), weight.dtype))


def _labels(
    recipe: Recipe,
    flags: argparse.Namespace,
    net: Any,
    config: Any,
    data: MindRecordBatches | None,
    stored: np.ndarray | None,
    samples: Samples,
) -> np.ndarray:
    """The experts of the neurons as they are stored now."""
    if flags.patterns_dir:
        published = read_published(flags.patterns_dir, config.num_layers, config.ffn_size).labels
        return published if stored is None else np.take_along_axis(published, stored, 1)
    if flags.method == "coactivation":
        if data is None:
            raise InputError("--data", "not given", "a MindRecord file of domain data", "pass --data F.mindrecord")
        return _by_coactivation(recipe, net, config, data)
    return _by_weights(recipe, net, config, samples)


def _by_weights(recipe: Recipe, net: Any, config: Any, samples: Samples) -> np.ndarray:
    """K-means; of several starts, the one whose chosen experts keep the most energy of the first samples."""
    labels = []
    with Progress("clustering", config.num_layers, "layers") as progress:
        for number, layer in enumerate(net.model.layers):
            w1, w3 = (cell.weight.asnumpy() for cell in (layer.feed_forward.w1, layer.feed_forward.w3))
            half = samples[number][: (len(samples[number]) + 1) // 2]
            starts = range(recipe.seed, recipe.seed + (_STARTS if half else 1))
            found = [cluster_neurons(w1, w3, config.experts.num_experts, seed) for seed in starts]
            kept = [_kept_energy(config, number, one, w1, w3, half) for one in found] if half else [0.0]
            labels.append(found[int(np.argmax(kept))])
            progress.update()
    return np.stack(labels)


def _kept_energy(config: Any, number: int, labels: np.ndarray, w1: np.ndarray, w3: np.ndarray, half: Any) -> float:
    """The share of energy that the chosen experts keep, mean of the modalities."""
    report = layer_report(number, labels, config.experts.num_experts, w1, w3, half, _top_k(config))
    return float(np.mean([share["energy"]["experts"] for share in report["kept"].values()]))


def _top_k(config: Any) -> dict[str, int]:
    return {row.name: k for row, k in zip(MODALITIES, config.experts.experts_of_rows(), strict=True)}


def _samples(net: Any, config: Any, data: MindRecordBatches | None) -> Samples:
    """The first batches of data, as every layer's neurons see them; none without data."""
    batches: Samples = [[] for _ in net.model.layers]
    seen = 0
    for modality_rows, layers in _activations(net, config, data, "sampling activations") if data else ():
        for found, h in zip(batches, layers, strict=True):
            found.append((h, modality_rows))
        seen += len(modality_rows)
        if seen >= _SAMPLE_TOKENS:
            break
    return batches


def _by_coactivation(recipe: Recipe, net: Any, config: Any, data: MindRecordBatches) -> np.ndarray:
    profiles = [CoactivationProfile(config.ffn_size, len(MODALITIES), recipe.seed) for _ in net.model.layers]
    for modality_rows, layers in _activations(net, config, data, "gathering activations"):
        for profile, h in zip(profiles, layers, strict=True):
            profile.add(h, modality_rows)
    with Progress("clustering", config.num_layers, "layers") as progress:
        labels = []
        for profile in profiles:
            labels.append(profile.cluster(config.experts.num_experts))
            progress.update()
    return np.stack(labels)


def _activations(
    net: Any, config: Any, data: MindRecordBatches, what: str
) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """Batch by batch the modality rows [T] and every layer's activations [T, F]."""
    probe = ActivationProbe(net)
    probe.set_train(False)
    for ids, modality_rows in real_tokens(data, config, what):
        yield modality_rows, [h.asnumpy() for _, h in probe(Tensor(ids))]


def _report(output: Path, recipe: Recipe, net: Any, config: Any, labels: np.ndarray, samples: Samples) -> None:
    """The table on the screen and in a file; kept energy is measured on the second half of the samples."""
    reports = []
    for number, layer in enumerate(net.model.layers):
        w1, w3 = (cell.weight.asnumpy() for cell in (layer.feed_forward.w1, layer.feed_forward.w3))
        split = (number, labels[number], config.experts.num_experts, w1, w3)
        second = samples[number][len(samples[number]) // 2 :]
        reports.append(layer_report(*split, second, _top_k(config), recipe.seed))
    write_json(output.with_suffix(".report.json"), reports)
    sys.stdout.write(table_of(reports) + "\n")


def _write(output: Path, labels: np.ndarray, config: Any, method: str, recipe: Recipe) -> None:
    source = recipe.load_checkpoint or "patterns"
    num_experts = int(labels.max()) + 1
    if config.experts is not None and num_experts != config.experts.num_experts:
        raise InputError(
            "model.model_config.experts.num_experts", str(config.experts.num_experts), str(num_experts), "correct it"
        )
    write_experts(output, labels, {"method": method, "seed": recipe.seed, "source": Path(source).name})
    logger.info("%d layers of %d neurons in %d experts: %s", *labels.shape, num_experts, output)


def _output(flags: argparse.Namespace) -> Path:
    if not flags.output or Path(flags.output).suffix != ".npz":
        got = f"'{flags.output}'" if flags.output else "not given"
        raise InputError("--output", got, "a name that ends in .npz", "pass --output experts.npz")
    return Path(flags.output)
