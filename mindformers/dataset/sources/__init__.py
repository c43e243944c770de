"""File formats, each registered under its `--dataset_type`. A new format is one more file here."""

from mindformers.dataset.sources import (
    alpaca,
    biology,
    chebi20,
    chemllmbench,
    classification,
    context_target,
    qa,
    smiles,
    text,
)
from mindformers.dataset.sources.base import Source, make_source, register_source, source_class, source_names

__all__ = [
    "Source",
    "alpaca",
    "biology",
    "chebi20",
    "chemllmbench",
    "classification",
    "context_target",
    "make_source",
    "qa",
    "register_source",
    "smiles",
    "source_class",
    "source_names",
    "text",
]
