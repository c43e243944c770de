"""`experts.npz`: written whole, read back, and nothing else taken for it."""

from pathlib import Path

import numpy as np
import pytest

from mindformers.experts.files import read_experts, write_experts
from mindformers.tools.errors import InputError

LABELS = np.array([[0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
SETTINGS = {"method": "kmeans", "num_experts": 2, "seed": 7, "source": "base.safetensors"}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "new" / "experts.npz"
    write_experts(file, LABELS, SETTINGS)
    found = read_experts(file, expected_layers=3, expected_neurons=4)
    assert np.array_equal(found.labels, LABELS)
    assert found.settings == SETTINGS
    assert (found.num_layers, found.num_neurons, found.num_experts) == (3, 4, 2)
    assert [path.name for path in file.parent.iterdir()] == ["experts.npz"]


def test_the_arrays_are_plain(tmp_path: Path) -> None:
    write_experts(tmp_path / "e.npz", LABELS, SETTINGS)
    with np.load(tmp_path / "e.npz", allow_pickle=False) as archive:
        assert archive["labels"].dtype == np.int8
        assert archive["settings"].dtype.kind == "U"


def test_many_experts_fit(tmp_path: Path) -> None:
    labels = np.arange(300)[None]
    write_experts(tmp_path / "e.npz", labels, {"method": "kmeans"})
    found = read_experts(tmp_path / "e.npz")
    assert np.array_equal(found.labels, labels)
    assert found.num_experts == 300


def test_the_published_form_has_labels_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "published.npz", labels=LABELS.astype(np.int8))
    found = read_experts(tmp_path / "published.npz")
    assert np.array_equal(found.labels, LABELS)
    assert found.settings == {"method": "published", "num_experts": 2, "seed": None, "source": "published.npz"}


def test_unbalanced_labels_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expert 0 has 3 neurons"):
        write_experts(tmp_path / "e.npz", np.array([[0, 0, 0, 1]]), SETTINGS)
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_outlives_a_failed_write(tmp_path: Path) -> None:
    write_experts(tmp_path / "e.npz", LABELS, SETTINGS)
    with pytest.raises(TypeError):
        write_experts(tmp_path / "e.npz", LABELS, {**SETTINGS, "source": object()})
    assert read_experts(tmp_path / "e.npz").settings == SETTINGS


def write(path: Path, **arrays: np.ndarray) -> None:
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        ({"label": LABELS}, "not a file of experts"),
        ({"labels": np.array([[None, 1]], object)}, "not a file of experts (Object arrays cannot be loaded"),
        ({"labels": LABELS, "settings": np.array("{")}, "not a file of experts"),
        ({"labels": LABELS, "settings": np.array("[]")}, "settings are not a JSON object"),
        ({"labels": LABELS, "settings": np.array('{"num_experts": "2"}')}, "settings.num_experts is '2'"),
        ({"labels": LABELS, "settings": np.array('{"num_experts": 3}')}, "4 neurons do not split into 3"),
        ({"labels": LABELS.astype(np.float32)}, "labels are float32 [3, 4]"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, arrays: dict[str, np.ndarray], line: str) -> None:
    write(tmp_path / "e.npz", **arrays)
    with pytest.raises(InputError) as caught:
        read_experts(tmp_path / "e.npz")
    assert str(caught.value).startswith(f"{tmp_path / 'e.npz'}: {line}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"experts file: .* not found"):
        read_experts(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("labels")
    with pytest.raises(InputError, match="not a file of experts"):
        read_experts(tmp_path / "text.npz")


@pytest.mark.filterwarnings("ignore")
def test_damage_gives_one_line_or_does_no_harm(tmp_path: Path) -> None:
    write_experts(tmp_path / "e.npz", LABELS, SETTINGS)
    whole = (tmp_path / "e.npz").read_bytes()
    generator, refused = np.random.default_rng(0), 0
    for trial in range(300):
        damaged = bytearray(whole if trial % 4 else whole[: generator.integers(1, len(whole))])
        damaged[generator.integers(len(damaged))] = generator.integers(256)
        (tmp_path / "e.npz").write_bytes(damaged)
        try:
            read_experts(tmp_path / "e.npz")
        except InputError:
            refused += 1
    assert refused > 200
