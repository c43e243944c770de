"""Published scores to compare with: what was measured on what, by which convention, and where it is printed.

All shares are on the scale of our own tables, 0 to 1. A row bears the name that it has there, so that the convention of
a number is the convention of its row.
"""

from __future__ import annotations

from dataclasses import dataclass

SCALE = 100.0  # the sources print shares in per cent
AUC_ROW = "AUC"

_CAPTION_ROWS = ("BLEU-2", "BLEU-4", "ROUGE-1", "ROUGE-2", "ROUGE-L", "METEOR", "property F1 (empty category = 1)")
_MOLGEN_ROWS = (
    "BLEU",
    "Levenshtein",
    "validity",
    "MACCS (invalid = 0)",
    "RDK (invalid = 0)",
    "Morgan (invalid = 0)",
    "FCD",
)
_NO_SHARE = ("Levenshtein", "FCD")
PROPERTY_SETS = ("bace", "bbbp", "clintox", "hiv", "tox21")


@dataclass(frozen=True)
class Benchmark:
    """What several systems were measured on.

    Args:
        name: of the data.
        convention: how the numbers were computed, where names leave room.
        source: where they are printed.
        items: how many items; None where it is not known, or differs by row.
        references: hash of the ground truths as our reports give it; empty where they are not public.
        items_by_part: the same counts by task of the benchmark, of those that are known.
    """

    name: str
    convention: str
    source: str
    items: int | None = None
    references: str = ""
    items_by_part: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Published:
    """The scores of one system.

    Args:
        system: its name.
        task: the task of ours that measures the same.
        benchmark: what it was measured on.
        scores: row -> score.
    """

    system: str
    task: str
    benchmark: Benchmark
    scores: dict[str, float]


_LPM24_CAPTION = Benchmark(
    "L+M-24, evaluation set",
    "BLEU and METEOR over SciBERT's WordPieces, ROUGE on raw strings; property F1 as in the final evaluation, where a"
    " category without anything to score counts 1",
    "official result files of L+M-24",
    21805,
)
_LPM24_MOLGEN = Benchmark(
    "L+M-24, evaluation set",
    "fingerprint similarities count an invalid output as 0",
    "official result files of L+M-24",
    21805,
)
_CHEBI_CAPTION = Benchmark(
    "ChEBI-20, test split",
    "BLEU and METEOR over SciBERT's WordPieces, ROUGE on raw strings",
    "MolT5's published predictions, recomputed with the official scripts",
    3300,
    "18d7434984d27362",
)
_CHEBI_MOLGEN = Benchmark(
    "ChEBI-20, test split",
    "fingerprint similarities average over valid outputs only",
    "MolT5's published predictions, recomputed with the official scripts",
    3300,
    "23834a613a61b6cf",
)
_MOLECULE_NET = Benchmark(
    "MoleculeNet, scaffold test splits",
    "AUC-ROC as printed; whether from probabilities or from hard labels is not said for every system, so read it beside"
    " both of ours",
    "property table of ChemDFM",
    items_by_part=(("bace", 152), ("clintox-FDA", 148), ("clintox-tox", 148)),
)


def _rows(names: tuple[str, ...], *values: float | None) -> dict[str, float]:
    both = zip(names, values, strict=True)
    return {name: value if name in _NO_SHARE else value / SCALE for name, value in both if value is not None}


def _properties(*values: float) -> dict[str, float]:
    return {f"{name}: {AUC_ROW}": value / SCALE for name, value in zip(PROPERTY_SETS, values, strict=True)}


PUBLISHED: tuple[Published, ...] = (
    *(
        Published(system, "caption", _LPM24_CAPTION, _rows(_CAPTION_ROWS, *values))
        for system, values in (
            ("SciMind", (75.66, 54.98, 78.24, 58.42, 56.34, 74.76, 11.51)),
            ("BioT5+", (75.54, 54.78, 79.69, 60.31, 57.68, 75.56, 13.37)),
            ("MolT5-Large", (73.63, 53.20, 75.79, 56.47, 54.42, 72.16, 5.81)),
            ("MolT5-Small", (66.82, 48.29, 72.80, 54.44, 53.33, 68.14, 3.23)),
        )
    ),
    Published(
        "MolT5-base",
        "caption",
        _CHEBI_CAPTION,
        {
            "BLEU-2": 0.550817,
            "BLEU-4": 0.464362,
            "ROUGE-1": 0.633872,
            "ROUGE-2": 0.484676,
            "ROUGE-L": 0.576754,
            "METEOR": 0.574488,
        },
    ),
    *(
        Published(system, "molgen", _LPM24_MOLGEN, _rows(_MOLGEN_ROWS, *values))
        for system, values in (
            ("SciMind", (73.44, 40.35, 99.78, 75.06, 67.05, 47.82, 2.54)),
            ("BioT5+", (73.17, 41.05, 100.0, 76.05, 68.70, 50.05, 3.13)),
            ("MolT5-Small", (55.44, 57.21, 81.03, 63.06, 56.83, 36.69, None)),
        )
    ),
    Published(
        "MolT5-base",
        "molgen",
        _CHEBI_MOLGEN,
        {
            "BLEU": 0.783254,
            "exact": 0.081818,
            "Levenshtein": 24.845758,
            "validity": 0.786364,
            "MACCS (valid only)": 0.788063,
            "RDK (valid only)": 0.659865,
            "Morgan (valid only)": 0.602022,
            "FCD": 8.144500,
        },
    ),
    *(
        Published(system, "chemllmbench", _MOLECULE_NET, _properties(*values))
        for system, values in (
            ("ChemDFM-13B", (78.4, 66.7, 89.9, 73.6, 79.8)),
            ("GPT-4", (62.5, 61.5, 51.6, 65.9, 55.2)),
            ("Uni-Mol", (85.7, 72.9, 91.9, 80.8, 79.6)),
            ("MolXPT", (88.4, 80.0, 95.3, 78.1, 77.1)),
            ("Galactica-30B", (72.7, 59.6, 82.2, 75.9, 68.5)),
            ("LLaMA-2-13B-chat", (26.0, 60.3, 45.7, 29.0, 51.7)),
        )
    ),
)
