"""Files of any known format to MindRecord: read -> encode (several processes) -> pack -> write."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from glob import glob
from pathlib import Path

import numpy as np

from mindformers.dataset.encode import IGNORE_ID, Encoded, Tokenizer, encode_example
from mindformers.dataset.example import BadRow, Example
from mindformers.dataset.mindrecord_writer import mindrecord_output
from mindformers.dataset.molecules import without_unreadable_molecules
from mindformers.dataset.packing import Packer
from mindformers.dataset.parallel_map import map_chunks
from mindformers.dataset.report import ChunkCounts, Report
from mindformers.dataset.sources import Source, make_source
from mindformers.dataset.templates import Template, get_template
from mindformers.modalities import MODALITIES
from mindformers.tools.errors import InputError
from mindformers.tools.files import write_json
from mindformers.tools.logging import get_logger
from mindformers.tools.progress import Progress

logger = get_logger(__name__)

Row = tuple[Example | BadRow, bool]  # and whether an earlier pass has had it

_CHUNK_ROWS = 256
_SHOWN_BAD_ROWS = 10


@dataclass(frozen=True)
class PreprocessSettings:
    """What to make of what.

    Args:
        dataset_type: the format, a name of `source_names()`.
        input_glob: file or pattern; files are read in the order of their names.
        output_file: the MindRecord, `*.mindrecord`.
        seq_length: tokens that the model sees; a record has one more.
        file_partition: number of files to write.
        repeat: how often the input is written, one pass after the other.
        template: name of the template of conversations; None for the format's own.
        pack: whether several examples share a record; None for the format's own.
        report: JSON file for the report.
        workers: processes that encode; None for one per processor. The output does not depend on it.
        max_errors: bad rows that may be left out; one more ends the run without output. Negative for any number.
        check_molecules: whether RDKit must be able to read every molecule; None for the format's own.
        window, stride, reverse_complement: of sequences, see `SequenceSource`; None for the format's own.
    """

    dataset_type: str
    input_glob: str
    output_file: str | Path
    seq_length: int = 2048
    file_partition: int = 1
    repeat: int = 1
    template: str | None = None
    pack: bool | None = None
    report: str | Path | None = None
    workers: int | None = None
    max_errors: int = 100
    check_molecules: bool | None = None
    window: int | None = None
    stride: int | None = None
    reverse_complement: bool | None = None


def preprocess(settings: PreprocessSettings, tokenizer: Tokenizer, files: Sequence[Path] | None = None) -> Report:
    """Write the MindRecord, and the report where one is asked for.

    Args:
        settings: what to make of what.
        tokenizer: text to ids, with `modality_table()`; it is sent to the processes.
        files: the files themselves, in place of `input_glob`.

    Returns:
        The counts.

    Raises:
        InputError: no input, an unknown name, a broken file, too many bad rows, or no usable row. Nothing is written.
    """
    source, template, is_packing = _parts(settings, getattr(tokenizer, "is_prefix", False))
    files = list(files or input_files(settings.input_glob))
    report = Report(_described(settings, files, source, is_packing), settings.max_errors)
    length = settings.seq_length + 1
    packer = Packer(length, tokenizer.pad_token_id, is_packing)
    checks = source.checks_molecules if settings.check_molecules is None else settings.check_molecules
    job = EncodeJob(template, tokenizer, settings.seq_length, checks)
    begin = time.monotonic()
    with (
        mindrecord_output(settings.output_file, length, settings.file_partition) as writer,
        Progress("encoding", None) as progress,
    ):
        for examples in _encoded(source, files, job, settings, report, progress):
            for example in examples:
                for record in packer.add(example):
                    writer.write(*record)
        for record in packer.flush():
            writer.write(*record)
        _require_records(writer.num_records, report, settings)
    report.num_records, report.seconds = writer.num_records, time.monotonic() - begin
    if settings.report:
        write_json(settings.report, report.to_dict())
    _tell_bad_rows(report)
    return report


def input_files(pattern: str) -> list[Path]:
    """The files of a pattern, sorted by name. Raises InputError where there are none."""
    files = [Path(name) for name in sorted(glob(os.path.expanduser(pattern), recursive=True)) if os.path.isfile(name)]
    if not files:
        got = "is a folder" if os.path.isdir(pattern) else "matches no file"
        raise InputError("input_glob", f"'{pattern}' {got}", "a file or a pattern such as 'data/*.json'", "")
    return files


@dataclass
class EncodeJob:
    """Encode chunks of rows; each process has one."""

    template: Template
    tokenizer: Tokenizer
    seq_length: int
    checks_molecules: bool = False

    def __post_init__(self) -> None:
        self.modality_table = self.tokenizer.modality_table()

    def __call__(self, rows: list[Row]) -> tuple[list[Encoded], list[BadRow], ChunkCounts]:
        """The encoded rows, and of those read for the first time the bad ones and the counts of the others."""
        encoded: list[Encoded] = []
        bad: list[BadRow] = []
        new: list[Encoded] = []
        for row, is_repeated in rows:
            result = self._encoded(row) if isinstance(row, Example) else row
            if isinstance(result, Encoded):
                encoded.append(result)
                new += [] if is_repeated else [result]
            elif not is_repeated:
                bad.append(result)
        return encoded, bad, self._count(new)

    def _encoded(self, example: Example) -> Encoded | BadRow:
        result = encode_example(example, self.template, self.tokenizer, self.seq_length)
        if self.checks_molecules and isinstance(result, Encoded):
            checked = without_unreadable_molecules(example)
            return checked if isinstance(checked, BadRow) else result
        return result

    def _count(self, encoded: list[Encoded]) -> ChunkCounts:
        if not encoded:
            return ChunkCounts()
        ids = np.concatenate([one.ids for one in encoded])
        labels = np.concatenate([one.labels for one in encoded])
        tokens = np.bincount(self.modality_table[ids], minlength=len(MODALITIES))
        return ChunkCounts(
            examples=len(encoded),
            tokens_before_cut=sum(one.num_tokens for one in encoded),
            longest=max(one.num_tokens for one in encoded),
            truncated=sum(one.is_truncated for one in encoded),
            tokens={row.name: int(count) for row, count in zip(MODALITIES, tokens, strict=True)},
            target_tokens=int((labels != IGNORE_ID).sum()),
        )


def _parts(settings: PreprocessSettings, is_prefix: bool) -> tuple[Source, Template, bool]:
    for name in ("seq_length", "repeat", "workers"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise InputError(name, str(value), "1 or more", "")
    options = {name: getattr(settings, name) for name in ("window", "stride", "reverse_complement")}
    source = make_source(settings.dataset_type, settings.seq_length, **options)
    template = get_template(settings.template or source.template)
    if is_prefix and settings.pack:
        got, expected = "True with ChatGLM's tokenizer", "False: a record has one prompt and one answer"
        raise InputError("pack", got, expected, "leave it out")
    return source, template, source.packs and not is_prefix if settings.pack is None else settings.pack


def _encoded(
    source: Source,
    files: list[Path],
    job: EncodeJob,
    settings: PreprocessSettings,
    report: Report,
    progress: Progress,
) -> Iterator[list[Encoded]]:
    workers = settings.workers or os.cpu_count() or 1
    rows = _all_rows(source, files, settings.repeat)
    for encoded, bad, counts in map_chunks(job, rows, workers, _CHUNK_ROWS):
        report.add_bad(bad)
        report.counts.add(counts)
        progress.update(len(encoded) + len(bad))
        yield encoded


def _all_rows(source: Source, files: list[Path], repeat: int) -> Iterable[Row]:
    for number in range(repeat):
        for file in files:
            for row in source.read(file):
                yield row, number > 0


def _described(settings: PreprocessSettings, files: list[Path], source: Source, is_packing: bool) -> dict:
    described = {name: str(v) if isinstance(v, Path) else v for name, v in asdict(settings).items()}
    described.update(
        template=settings.template or source.template, pack=is_packing, files=[str(file) for file in files]
    )
    return described


def _require_records(num_records: int, report: Report, settings: PreprocessSettings) -> None:
    if not num_records:
        got = f"no usable row, the first bad one is {report.bad_rows[0]}" if report.bad_rows else "no rows"
        raise InputError(f"input_glob '{settings.input_glob}'", got, "examples", "check the input and dataset_type")


def _tell_bad_rows(report: Report) -> None:
    for row in report.bad_rows[:_SHOWN_BAD_ROWS]:
        logger.warning("left out: %s", row)
    if report.num_bad > _SHOWN_BAD_ROWS:
        logger.warning("left out: %d more rows; --report lists them", report.num_bad - _SHOWN_BAD_ROWS)
