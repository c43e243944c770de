"""The published files, in miniature: two layers of six neurons in three experts."""

from pathlib import Path

import numpy as np
import pytest

from mindformers.experts.patterns import read_patterns, read_published
from mindformers.tools.errors import InputError

LABELS = np.array([[0, 1, 2, 0, 1, 2], [2, 2, 1, 1, 0, 0]])


def pattern_of(labels: np.ndarray) -> np.ndarray:
    return labels == np.arange(3)[:, None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for layer, labels in enumerate(LABELS):
        np.save(tmp_path / f"patterns_{layer}.npy", pattern_of(labels))
    (tmp_path / "notes.txt").write_text("not a pattern")
    return tmp_path


def refusal(folder: Path, **expected: int) -> str:
    with pytest.raises(InputError) as caught:
        read_patterns(folder, **expected)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_patterns_become_labels(folder: Path) -> None:
    assert np.array_equal(read_patterns(folder, expected_layers=2, expected_neurons=6), LABELS)


def test_layers_stand_in_the_order_of_their_numbers(folder: Path) -> None:
    for layer in range(2, 11):
        np.save(folder / f"patterns_{layer}.npy", pattern_of(np.roll(LABELS[0], layer)))
    assert np.array_equal(read_patterns(folder)[10], np.roll(LABELS[0], 10))


def test_the_folder_and_the_archive_are_one_import(folder: Path) -> None:
    np.savez(folder / "all.npz", labels=LABELS)
    for path in (folder, folder / "all.npz"):
        found = read_published(path, expected_layers=2)
        assert np.array_equal(found.labels, LABELS)
        assert found.settings == {"method": "published", "num_experts": 3, "seed": None, "source": path.name}


def test_overlap_is_refused(folder: Path) -> None:
    pattern = pattern_of(LABELS[1])
    pattern[:, 3] = True
    pattern[0, 5] = pattern[1, 5] = True
    np.save(folder / "patterns_1.npy", pattern)
    wanted = "layer 1: 2 neurons belong to several experts, the first is neuron 3 with 3; expected every neuron in"
    assert wanted in refusal(folder)


def test_neurons_left_out_are_refused(folder: Path) -> None:
    pattern = pattern_of(LABELS[0])
    pattern[:, 4] = False
    np.save(folder / "patterns_0.npy", pattern)
    assert "layer 0: 1 neurons belong to no expert, the first is neuron 4 with 0" in refusal(folder)


def test_unequal_experts_are_refused(folder: Path) -> None:
    np.save(folder / "patterns_1.npy", pattern_of(np.array([0, 0, 0, 1, 2, 2])))
    assert "layer 1, expert 0 has 3 neurons; expected 2 in each of 3 experts" in refusal(folder)


def test_a_gap_in_the_numbering_is_refused(folder: Path) -> None:
    (folder / "patterns_1.npy").rename(folder / "patterns_900000000000.npy")
    assert "has no patterns_1.npy (899999999999 missing below patterns_900000000000.npy)" in refusal(folder)


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (pattern_of(LABELS[1]).astype(np.uint8), "patterns are uint8 [3, 6]; expected bool [experts, neurons]"),
        (pattern_of(LABELS[1])[0], "patterns are bool [6]"),
        (pattern_of(LABELS[1])[:0], "patterns are bool [0, 6]"),
        (pattern_of(np.arange(9) % 3), "patterns are [3, 9]; expected [3, 6] as in patterns_0.npy"),
        (np.array([None, 1], object), "cannot be read (Object arrays cannot be loaded when allow_pickle=False)"),
    ],
)
def test_another_form_is_refused(folder: Path, pattern: np.ndarray, line: str) -> None:
    np.save(folder / "patterns_1.npy", pattern, allow_pickle=True)
    assert refusal(folder).startswith(f"{folder / 'patterns_1.npy'}: {line}")


def test_archives_and_damaged_files_are_refused(folder: Path) -> None:
    np.savez(folder / "a.npz", labels=LABELS)
    (folder / "a.npz").rename(folder / "patterns_1.npy")
    assert "patterns are an archive" in refusal(folder)
    (folder / "patterns_1.npy").write_bytes(b"\x93NUMPY\x01\x00")
    assert "cannot be read" in refusal(folder)


def test_another_network_is_refused(folder: Path) -> None:
    assert "experts for 2 layers; expected 32 layers" in refusal(folder, expected_layers=32)
    assert "experts for 6 neurons a layer; expected 11008" in refusal(folder, expected_neurons=11008)


def test_folders_without_patterns_are_refused(tmp_path: Path) -> None:
    assert "no patterns_*.npy in" in refusal(tmp_path)
    assert "is not a folder" in refusal(tmp_path / "none")
