"""The published partition of LLaMA-2-7B, where the development data is at hand; in miniature in test_patterns."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from mindformers.experts.files import read_experts
from mindformers.experts.grouping import invert_order, neuron_order
from mindformers.experts.patterns import read_patterns, read_published
from mindformers.tools.errors import InputError
from tests.conftest import shared_data

LAYERS, NEURONS, EXPERTS = 32, 11008, 16


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    file = shared_data("scimind", "expert_labels_llama2_7b.npz")
    return read_experts(file, expected_layers=LAYERS, expected_neurons=NEURONS).labels


def test_all_layers_import(labels: np.ndarray) -> None:
    assert labels.shape == (LAYERS, NEURONS)
    assert all((np.bincount(row, minlength=EXPERTS) == 688).all() for row in labels)


def test_the_original_file_says_the_same(labels: np.ndarray) -> None:
    folder = shared_data("scimind", "patterns_0.npy").parent
    assert np.array_equal(read_patterns(folder, expected_neurons=NEURONS)[0], labels[0])


def test_the_whole_partition_in_original_form(labels: np.ndarray, tmp_path: Path) -> None:
    shutil.copy(shared_data("scimind", "patterns_0.npy"), tmp_path)
    for layer in range(1, LAYERS):
        np.save(tmp_path / f"patterns_{layer}.npy", labels[layer] == np.arange(EXPERTS)[:, None])
    assert np.array_equal(read_published(tmp_path, expected_layers=LAYERS).labels, labels)


def test_another_network_is_refused(labels: np.ndarray) -> None:
    with pytest.raises(InputError, match="expected 40 layers"):
        read_published(shared_data("scimind", "expert_labels_llama2_7b.npz"), expected_layers=40)


def test_it_is_stored_expert_by_expert(labels: np.ndarray) -> None:
    order = neuron_order(labels)
    assert np.array_equal(np.take_along_axis(labels, order, axis=1)[0], np.repeat(np.arange(EXPERTS), 688))
    assert np.array_equal(np.take_along_axis(order, invert_order(order), axis=1)[31], np.arange(NEURONS))
