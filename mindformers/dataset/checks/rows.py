"""Rows of any format as what the checks look at: molecules, sequences, text, labels. Reads and parses in processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain

from mindformers.dataset.encode import Tokenizer, encode_example
from mindformers.dataset.example import GPT, BadRow, Example
from mindformers.dataset.lpm24.rows import Row
from mindformers.dataset.lpm24.rows import checked as checked_row
from mindformers.dataset.lpm24.sources import find_sources
from mindformers.dataset.molecules import spans_of
from mindformers.dataset.parallel_map import map_chunks
from mindformers.dataset.preprocess import input_files
from mindformers.dataset.sources import make_source
from mindformers.dataset.templates import Template, get_template
from mindformers.modalities import MODALITIES, MOLECULE, TEXT, Span
from mindformers.tools.errors import InputError
from mindformers.tools.progress import Progress

LPM24 = "lpm24"  # the published files of L+M-24, whose rows have properties
_CHUNK_ROWS = 500
_LONGEST_LABEL = 60  # characters; longer answers are texts and no labels


@dataclass(slots=True)
class Checked:
    """A row that can be read.

    Args:
        file, line: where it stands.
        mark: 12 bytes that rows of the same content share, whatever their blanks.
        molecules: its molecules as written, each once.
        canonical: their canonical SMILES.
        keys: their InChIKeys; where InChI knows none, the canonical SMILES again.
        formula: heavy atoms and molecular weight in g/mol of the first molecule, or None.
        sequences: its proteins and nucleic acids, as marks of 12 bytes.
        lengths: characters of a sequence, words of a text, tokens where there is a tokenizer; by modality.
        num_tokens: tokens of the whole row in its template; None without a tokenizer.
        labels: properties, or a short answer; empty where there are none.
        faults: why it should not be used, each as a kind of `findings.KINDS` and a reason.
    """

    file: str
    line: int
    mark: bytes = b""
    molecules: tuple[str, ...] = ()
    canonical: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    formula: tuple[int, float] | None = None
    sequences: tuple[bytes, ...] = ()
    lengths: dict[str, int] = field(default_factory=dict)
    num_tokens: int | None = None
    labels: tuple[str, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ReadOptions:
    """How rows are read.

    Args:
        dataset_type: a name of `source_names()`, or `lpm24`.
        template: how conversations are written; None for the format's own.
        seq_length: tokens that the model sees; longer rows are faults. None for any length.
        workers: processes; None for one per processor.
    """

    dataset_type: str
    template: str | None = None
    seq_length: int | None = None
    workers: int | None = None


def read_checked(pattern: str, options: ReadOptions, tokenizer: Tokenizer | None) -> Iterator[Checked | BadRow]:
    """The rows of all files of a pattern, in order.

    Raises:
        InputError: no file, an unknown format, or a file that cannot be read.
    """
    rows, template = _rows(pattern, options)
    job = CheckJob(template, tokenizer, options.seq_length)
    workers = options.workers or os.cpu_count() or 1
    with Progress(f"checking {pattern}", None) as progress:
        for chunk in map_chunks(job, rows, workers, _CHUNK_ROWS):
            progress.update(len(chunk))
            yield from chunk


def _rows(pattern: str, options: ReadOptions) -> tuple[Iterator[Example | Row | BadRow], Template]:
    if options.dataset_type == LPM24:
        sources = find_sources(pattern)
        return chain.from_iterable(reader(path) for path, reader in sources), get_template("vicuna")
    # Windows of long sequences would hide their length.
    source = make_source(options.dataset_type, 1 << 30)
    files = input_files(pattern)
    return chain.from_iterable(source.read(path) for path in files), get_template(options.template or source.template)


@dataclass
class CheckJob:
    """Looks at chunks of rows; each process has one."""

    template: Template
    tokenizer: Tokenizer | None
    seq_length: int | None

    def __call__(self, rows: list[Example | Row | BadRow]) -> list[Checked | BadRow]:
        """The rows as the checks need them."""
        from rdkit import rdBase

        with rdBase.BlockLogs():
            return [row if isinstance(row, BadRow) else self._checked(row) for row in rows]

    def _checked(self, row: Example | Row) -> Checked | BadRow:
        if isinstance(row, Row):
            good = checked_row(row)
            return good if isinstance(good, BadRow) else self._checked_properties(good)
        reason = self.template.why_not(row.turns) if row.turns else None
        try:
            spans = list(spans_of(row))
        except InputError as error:
            reason = f"{error.what}: {error.got}"
        if reason:
            return BadRow(row.file, row.line, reason)
        texts = [text for turn in row.turns for text in (turn.text, turn.input)] or [row.text]
        found = Checked(row.file, row.line, _mark("\n".join(texts)), labels=_labels_of(row))
        self._measure(found, spans)
        self._count_tokens(found, row)
        return found

    def _checked_properties(self, row: Row) -> Checked:
        found = Checked(row.file, row.line, _mark("\n".join((row.molecule, row.caption, *row.properties))))
        found.labels = row.properties
        spans = [Span(MOLECULE, row.molecule, 0, 0)] if row.molecule else []
        self._measure(found, [*spans, Span(TEXT, row.caption, 0, 0)] if row.caption else spans)
        return found

    def _measure(self, found: Checked, spans: list[Span]) -> None:
        for span in spans:
            size = len(span.sequence.split()) if span.modality is TEXT else len(span.sequence)
            found.lengths[span.modality.name] = found.lengths.get(span.modality.name, 0) + size
        found.molecules = tuple(dict.fromkeys(span.sequence for span in spans if span.modality is MOLECULE))
        biological = (span.sequence for span in spans if span.modality not in (TEXT, MOLECULE))
        found.sequences = tuple(_mark(sequence) for sequence in dict.fromkeys(biological))
        _add_chemistry(found)

    def _count_tokens(self, found: Checked, row: Example) -> None:
        if self.tokenizer is None:
            return
        encoded = encode_example(row, self.template, self.tokenizer)
        if isinstance(encoded, BadRow):
            found.faults += (("empty", encoded.reason),)
            return
        found.num_tokens = encoded.num_tokens
        table = self.tokenizer.modality_table()
        found.lengths = {}
        for index in encoded.ids:
            name = MODALITIES[table[index]].name
            found.lengths[name] = found.lengths.get(name, 0) + 1
        # Raw text is cut into records; of a conversation what lies behind the end is lost.
        if self.seq_length and row.turns and encoded.num_tokens > self.seq_length + 1:
            reason = f"{encoded.num_tokens} tokens, the model sees {self.seq_length}"
            found.faults += (("too_long", reason),)


def _add_chemistry(found: Checked) -> None:
    from rdkit import Chem
    from rdkit.Chem.Descriptors import MolWt

    canonical, keys = [], []
    for smiles in found.molecules:
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is None or not molecule.GetNumAtoms():
            found.faults += (("invalid_molecule", f"RDKit cannot read the molecule {smiles}"),)
            continue
        canonical.append(Chem.MolToSmiles(molecule))
        keys.append(Chem.MolToInchiKey(molecule) or canonical[-1])
        if found.formula is None:
            found.formula = molecule.GetNumHeavyAtoms(), MolWt(molecule)
    found.canonical, found.keys = tuple(sorted(canonical)), tuple(sorted(keys))


def _labels_of(row: Example) -> tuple[str, ...]:
    answers = [turn.text.strip() for turn in row.turns if turn.role == GPT]
    is_short = len(answers) == 1 and len(answers[0]) <= _LONGEST_LABEL and "<" not in answers[0]
    return (answers[0],) if is_short else ()


def _mark(text: str) -> bytes:
    return blake2b(" ".join(text.split()).encode(), digest_size=12).digest()
