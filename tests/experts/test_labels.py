"""The rule of balance, and one clear line for each way to break it."""

import numpy as np
import pytest

from mindformers.experts.labels import check_labels, expert_size, number_by_first_neuron, random_labels
from mindformers.tools.errors import InputError
from tests.experts.synthetic import is_balanced

GOOD = np.array([[0, 1, 1, 0], [1, 1, 0, 0]], np.int8)


def test_balanced_labels_pass_as_int32() -> None:
    found = check_labels(GOOD, 2, "e.npz", expected_layers=2, expected_neurons=4)
    assert found.dtype == np.int32
    assert np.array_equal(found, GOOD)


@pytest.mark.parametrize(
    ("labels", "num_experts", "line"),
    [
        (GOOD[0], 2, "labels are int8 [4]"),
        (GOOD.astype(np.float32), 2, "labels are float32 [2, 4]"),
        (GOOD.astype(bool), 2, "labels are bool [2, 4]"),
        (np.zeros((0, 4), np.int8), 2, "labels are int8 [0, 4]"),
        (GOOD, 3, "4 neurons do not split into 3 equal experts"),
        (GOOD, 0, "4 neurons do not split into 0 equal experts"),
        (np.array([[0, 1, 0, 1], [0, 1, 2, 1]]), 2, "layer 1, neuron 2 has label 2; expected labels 0 to 1"),
        (np.array([[0, -1, 0, 1]]), 2, "layer 0, neuron 1 has label -1"),
        (np.array([[0, 1, 0, 1], [0, 0, 0, 1]]), 2, "layer 1, expert 0 has 3 neurons; expected 2 in each of 2 experts"),
    ],
)
def test_one_line_says_what_is_wrong(labels: np.ndarray, num_experts: int, line: str) -> None:
    with pytest.raises(InputError) as caught:
        check_labels(labels, num_experts, "e.npz")
    assert str(caught.value).startswith(f"e.npz: {line}")
    assert "\n" not in str(caught.value)


def test_another_network_is_refused() -> None:
    with pytest.raises(InputError, match=r"experts for 2 layers; expected 32 layers, as in the network"):
        check_labels(GOOD, 2, "e.npz", expected_layers=32)
    with pytest.raises(InputError, match=r"experts for 4 neurons a layer; expected 8 neurons a layer"):
        check_labels(GOOD, 2, "e.npz", expected_layers=2, expected_neurons=8)


def test_unsigned_labels_pass() -> None:
    assert np.array_equal(check_labels(GOOD.astype(np.uint64), 2, "e.npz"), GOOD)


def test_the_size_of_an_expert() -> None:
    assert expert_size(11008, 16, "width") == 688


def test_random_labels_are_balanced_and_seeded() -> None:
    first = random_labels(24, 4, seed=3)
    assert is_balanced(first, 4)
    assert np.array_equal(first, random_labels(24, 4, seed=3))
    assert not np.array_equal(first, random_labels(24, 4, seed=4))


def test_groups_are_numbered_by_their_first_neurons() -> None:
    assert number_by_first_neuron(np.array([5, 2, 2, 5, 0])).tolist() == [0, 1, 1, 0, 2]
