"""Text, molecules, nucleotides and proteins: the table, the vocabulary it gives, and the parser of mixed text."""

from mindformers.modalities.parse import Span, split_spans
from mindformers.modalities.table import MODALITIES, MOLECULE, NUCLEOTIDE, PROTEIN, TEXT, Modality, modality_named
from mindformers.modalities.vocabulary import ModalityVocabulary, modality_of_ids

__all__ = [
    "MODALITIES",
    "MOLECULE",
    "NUCLEOTIDE",
    "PROTEIN",
    "TEXT",
    "Modality",
    "ModalityVocabulary",
    "Span",
    "modality_named",
    "modality_of_ids",
    "split_spans",
]
