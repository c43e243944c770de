"""Figures of a split, worked by hand and beside a random split."""

import json

import numpy as np
import pytest

from mindformers.experts.coactivation import cluster_activations
from mindformers.experts.kmeans import cluster_neurons
from mindformers.experts.labels import random_labels
from mindformers.experts.report import layer_report, mean_cosine, table_of
from mindformers.tools.errors import InputError
from tests.experts.synthetic import planted_weights, swiglu

LABELS = np.array([0, 0, 1, 1])
WEIGHTS = np.eye(4, dtype=np.float32)
TOP_K = {"text": 1, "molecule": 2}


def test_kept_energy_is_as_worked_by_hand() -> None:
    # Text: sums 3 and 0, so 1 + 4 of 7 is kept; then sums -4 and 2, so 4 of 12. Molecule keeps both experts.
    h = np.array([[1, 2, -1, 1], [-2, -2, 0, 2], [1, 1, 1, 1]], np.float32)
    report = layer_report(3, LABELS, 2, WEIGHTS, WEIGHTS, [(h, np.array([0, 0, 1]))], TOP_K)
    text, molecule = report["kept"]["text"], report["kept"]["molecule"]
    assert (report["layer"], report["balance"]) == (3, {"min": 2, "max": 2})
    assert (text["tokens"], text["top_k"]) == (2, 1)
    assert text["energy"]["experts"] == pytest.approx((5 + 4) / (7 + 12))
    assert text["magnitude"]["experts"] == pytest.approx((3 + 2) / (5 + 6))
    assert molecule["energy"] == {"experts": 1.0, "random": 1.0}


def test_batches_add_up_and_padding_is_left_out() -> None:
    generator = np.random.default_rng(0)
    h, rows = generator.normal(size=(90, 4)).astype(np.float32), generator.integers(-1, 2, 90)
    whole = layer_report(0, LABELS, 2, WEIGHTS, WEIGHTS, [(h, rows)], TOP_K)
    parts = [(h[start : start + 20], rows[start : start + 20]) for start in range(0, 90, 20)]
    stream = layer_report(0, LABELS, 2, WEIGHTS, WEIGHTS, iter(parts), TOP_K)
    assert sum(share["tokens"] for share in whole["kept"].values()) == (rows >= 0).sum()
    for name in TOP_K:
        for energy in ("energy", "magnitude"):
            assert stream["kept"][name][energy] == pytest.approx(whole["kept"][name][energy])


def test_similarity_is_the_mean_over_pairs() -> None:
    features = np.random.default_rng(0).normal(size=(12, 5))
    features[3] = 0
    labels, unit = random_labels(12, 3, 0), features / np.maximum(np.linalg.norm(features, axis=1), 1e-9)[:, None]
    pairs = [unit[a] @ unit[b] for a in range(12) for b in range(12) if a != b and labels[a] == labels[b]]
    assert mean_cosine(features, labels, 3) == pytest.approx(np.mean(pairs), abs=1e-6)
    assert mean_cosine(features, np.arange(12), 12) == 0.0


def test_planted_groups_are_more_alike_than_chance() -> None:
    w1, w3, labels = planted_weights(128, 8, 32, 0.5, seed=1)
    similarity = layer_report(0, labels, 8, w1, w3)["similarity"]
    assert similarity["experts"] > 0.5 > similarity["random"] + 0.3


def test_both_methods_keep_more_energy_than_chance() -> None:
    generator = np.random.default_rng(0)
    w1, w3, _ = planted_weights(256, 16, 32, 0.5, seed=1)
    w1, w3 = w1 / 6, (w3 + w1) / 6
    x = generator.normal(size=(3000, 32)).astype(np.float32)
    h, rows = swiglu(x, w1, w3), np.repeat([0, 1], 1500)
    half = np.arange(3000) % 2 == 0
    top_k = {"text": 14, "molecule": 2}
    coactivation = cluster_activations([(h[half], rows[half])], 256, 4, 16)
    for found in (coactivation, cluster_neurons(w1, w3, 16)):
        kept = layer_report(0, found, 16, w1, w3, [(h[~half], rows[~half])], top_k)["kept"]
        assert kept["text"]["energy"]["experts"] > kept["text"]["energy"]["random"]
        assert kept["molecule"]["energy"]["experts"] > 1.2 * kept["molecule"]["energy"]["random"]


def test_silence_keeps_nothing() -> None:
    report = layer_report(0, LABELS, 2, WEIGHTS, WEIGHTS, [(np.zeros((2, 4)), np.zeros(2, int))], TOP_K)
    assert report["kept"]["text"]["energy"] == {"experts": 0.0, "random": 0.0}


def test_the_report_is_json_and_a_table() -> None:
    h = np.array([[1, 2, -1, 1]], np.float32)
    reports = [
        layer_report(0, LABELS, 2, WEIGHTS, WEIGHTS, [(h, np.array([0]))], TOP_K),
        layer_report(1, np.array([0, 0, 0, 1]), 2, WEIGHTS, WEIGHTS),
    ]
    assert json.loads(json.dumps(reports)) == reports
    head, first, second, mean = table_of(reports).split("\n")
    assert head.split("  ")[-1] == "text energy, %"
    assert first.split()[:2] == ["0", "2"]
    assert "71.4 / " in first
    assert second.split()[:2] == ["1", "1-3"]
    assert second.endswith("-")
    assert mean.split()[:2] == ["mean", "1-3"]
    assert "71.4 / " in mean  # of the layers that have the figure
    assert len({len(line) for line in (head, first, second, mean)}) == 1


@pytest.mark.parametrize(("top_k", "line"), [({}, "is not given"), ({"text": 3}, "is 3"), ({"text": 0}, "is 0")])
def test_a_count_of_experts_is_needed_for_every_modality(top_k: dict[str, int], line: str) -> None:
    with pytest.raises(InputError) as caught:
        layer_report(0, LABELS, 2, WEIGHTS, WEIGHTS, [(np.ones((1, 4)), np.zeros(1, int))], top_k)
    assert str(caught.value).startswith(f"experts.top_k.text: {line}; expected 1 to 2")


def test_activations_of_another_width_are_refused() -> None:
    with pytest.raises(InputError, match=r"h is \[1, 5\]"):
        layer_report(0, LABELS, 2, WEIGHTS, WEIGHTS, [(np.ones((1, 5)), np.zeros(1, int))], TOP_K)
