"""Metrics of generated molecules, worked by hand on small ones."""

import sys
from types import SimpleNamespace

import pytest

from mindformers.evaluation.metrics import fcd as fcd_module
from mindformers.evaluation.metrics.fcd import Fcd
from mindformers.evaluation.metrics.fingerprints import MaccsSimilarity, MorganSimilarity, RdkSimilarity
from mindformers.evaluation.metrics.metric import Pairs, Unmeasured
from mindformers.evaluation.metrics.molecules import Exact, Validity

SIMILARITIES = [MaccsSimilarity, RdkSimilarity, MorganSimilarity]


def test_exact_compares_molecules_not_strings():
    assert Exact().score(Pairs(["CCO", "CCO"], ["OCC", "CCN"])) == {"exact": 0.5}


def test_exact_knows_stereochemistry():
    assert Exact().score(Pairs(["C[C@H](N)C(=O)O"], ["C[C@@H](N)C(=O)O"])) == {"exact": 0.0}


def test_exact_counts_invalid_outputs_in_the_whole():
    assert Exact().score(Pairs(["CCO", "CCO", "x"], ["CCO", "CC(", "x"])) == {"exact": pytest.approx(1 / 3)}


def test_validity_is_what_rdkit_reads():
    outputs = ["CCO", "C1CC", "C(C)(C)(C)(C)C", "molecule"]
    assert Validity().score(Pairs(["C"] * 4, outputs)) == {"validity": 0.25}


@pytest.mark.parametrize("metric", SIMILARITIES)
def test_both_conventions_are_reported(metric):
    scores = metric().score(Pairs(["CCO", "CCO", "CCO"], ["OCC", "CC(", "CC("]))
    assert scores == {f"{metric.label} (valid only)": 1.0, f"{metric.label} (invalid = 0)": pytest.approx(1 / 3)}


def test_morgan_counts_environments():
    # Ethane: 2 CH3, and 1 bond seen from CH3 (both ends see the same bond, which counts once).
    # Propane: 2 CH3, 1 CH2, 2 bonds seen from CH3 (with CH2 beyond, so unlike ethane's), 1 pair of bonds seen from CH2.
    scores = MorganSimilarity().score(Pairs(["CC"], ["CCC"]))
    assert scores["Morgan (valid only)"] == pytest.approx(2 / (2 + 1 + 1 + 2 + 1))


@pytest.mark.parametrize("metric", SIMILARITIES)
def test_unlike_molecules_are_less_than_alike(metric):
    near, far = (metric().score(Pairs(["CCCCO"], [output])) for output in ("CCCO", "c1ccncc1"))
    name = f"{metric.label} (valid only)"
    assert 0 <= far[name] < near[name] < 1


@pytest.mark.parametrize("metric", SIMILARITIES)
def test_no_valid_output_has_no_mean_over_valid_ones(metric):
    scores = metric().score(Pairs(["CCO"], ["x"]))
    assert isinstance(scores[f"{metric.label} (valid only)"], Unmeasured)
    assert scores[f"{metric.label} (invalid = 0)"] == 0.0


def test_fcd_is_marked_where_the_package_is_missing(monkeypatch):
    monkeypatch.setattr(fcd_module, "find_spec", lambda name: None)
    score = Fcd().score(Pairs(["CCO"], ["CCO"]))["FCD"]
    assert isinstance(score, Unmeasured) and score.cell == "needs package fcd"


@pytest.fixture
def fake_fcd(monkeypatch):
    """The package's two functions; the distance is the pair of lists it is asked about."""
    calls = []
    package = SimpleNamespace(load_ref_model=lambda: "model", get_fcd=lambda *lists: calls.append(lists) or 1.5)
    monkeypatch.setattr(fcd_module, "find_spec", lambda name: True)
    monkeypatch.setitem(sys.modules, "fcd", package)
    return calls


def test_fcd_compares_canonical_smiles_of_valid_outputs(fake_fcd):
    score = Fcd().score(Pairs(["OCC", "C(C)N", "CC"], ["C(O)C", "CC(", "N(C)"]))
    assert score == {"FCD": 1.5}
    assert fake_fcd == [(["CCO", "CCN", "CC"], ["CCO", "CN"], "model")]


def test_fcd_of_one_valid_output_is_not_computed(fake_fcd):
    score = Fcd().score(Pairs(["CCO", "CC"], ["CCO", "x"]))["FCD"]
    assert isinstance(score, Unmeasured) and not fake_fcd
