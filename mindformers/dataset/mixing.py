"""Folders of instructions to one training and one development table: read, drop repetitions, split, mix.

medical/*.json --.                                           .-> mixed_train_dataset.jsonl
general/*.jsonl --+-> rows -> each once -> split by the prompt -+
chat.json ------'                                           '-> mixed_dev_dataset.jsonl
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from glob import glob
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, NamedTuple
from unicodedata import normalize

from mindformers.dataset.example import BadRow, Example
from mindformers.dataset.mix_formats import Format, make_format
from mindformers.dataset.sources import Source, make_source
from mindformers.dataset.sources.lines import inner_suffix
from mindformers.dataset.stable import RANGE, stable_number
from mindformers.tools.errors import InputError
from mindformers.tools.files import replaced_file, write_json
from mindformers.tools.progress import Progress

SPLITS = ("train", "dev")


@dataclass(frozen=True)
class MixOptions:
    """What to mix.

    Args:
        inputs: folders (searched with all below them for `.json` and `.jsonl`, possibly compressed), files or patterns.
        output: folder of the two tables.
        dataset_type: format of the inputs, a name of `source_names()`.
        format: of the tables: `context_target`, `alpaca` or `qa`.
        template: how the context of `context_target` is written; None for `alpaca`, or `plain` where it is ready.
        dev: expected share of prompts in the development table, 0 to below 1.
        seed: another seed splits, chooses and orders otherwise.
        max_per_input: most rows of one input, chosen by hash; None for all.
        report: JSON file for counts and every bad row; None for none.
    """

    inputs: tuple[str, ...]
    output: Path
    dataset_type: str = "alpaca"
    format: str = "context_target"
    template: str | None = None
    dev: float = 0.1
    seed: int = 0
    max_per_input: int | None = None
    report: Path | None = None

    def validate(self) -> None:
        """Raise InputError for a value out of range."""
        if not 0 <= self.dev < 1:
            raise InputError("--dev", str(self.dev), "a share from 0 to below 1", "for example 0.1")
        if self.max_per_input is not None and self.max_per_input < 1:
            raise InputError("--max_per_input", str(self.max_per_input), "1 or more", "leave it out for all rows")


@dataclass
class InputCounts:
    """What became of the rows of one input."""

    name: str
    files: int = 0
    rows_read: int = 0
    bad_rows: int = 0
    duplicate_rows: int = 0
    train_rows: int = 0
    dev_rows: int = 0


@dataclass
class MixReport:
    """What became of everything. A file that cannot be read is a bad row of line 0, or of the line that is at fault."""

    inputs: list[InputCounts] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)

    def total(self, name: str) -> int:
        """Sum of a count over the inputs."""
        return sum(getattr(counts, name) for counts in self.inputs)

    def to_dict(self, options: MixOptions) -> dict[str, Any]:
        """The report as it is written to JSON."""
        settings = {name: str(v) if isinstance(v, Path) else v for name, v in asdict(options).items()}
        names = [name for name in asdict(InputCounts("")) if name != "name"]
        totals = {name: self.total(name) for name in names}
        return {
            "options": settings,
            **totals,
            "inputs": [asdict(one) for one in self.inputs],
            "bad": [asdict(row) for row in self.bad],
        }


class _Kept(NamedTuple):
    """Where a row stands in the spool, and where it belongs. Sorted, rows of all inputs are mixed."""

    order: int
    offset: int
    size: int
    input: int
    is_dev: bool


def mix(options: MixOptions) -> MixReport:
    """Write the two tables, and the report where one is asked for.

    Rows with the same prompt stand in the same table; a row that repeats prompt and answer of another is dropped.
    Rows wait on the disk, memory holds some 200 bytes for each.

    Raises:
        InputError: an option out of range, an input that is not there, or no usable row. Nothing is written then.
    """
    options.validate()
    source = make_source(options.dataset_type)
    form = make_format(options.format, options.template or ("plain" if source.template == "plain" else "alpaca"))
    inputs = [(name, _files(name)) for name in options.inputs]
    report = MixReport()
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=options.output) as spool:
        kept = _spooled(inputs, source, form, options, report, spool)
        _require_rows(kept, report)
        _write_tables(sorted(kept), spool, options, report)
    if options.report:
        write_json(options.report, report.to_dict(options))
    return report


def _files(name: str) -> list[Path]:
    if Path(name).is_dir():
        paths = [path for path in Path(name).rglob("*") if path.is_file() and not path.name.startswith(".")]
    else:
        paths = [Path(found) for found in glob(name, recursive=True) if Path(found).is_file()]
    if not paths:
        got = "holds no file" if Path(name).is_dir() else "not found"
        raise InputError(f"--input '{name}'", got, "a folder, file or pattern with files", "check the path")
    return sorted(paths)


def _spooled(
    inputs: list[tuple[str, list[Path]]],
    source: Source,
    form: Format,
    options: MixOptions,
    report: MixReport,
    spool: IO[bytes],
) -> list[_Kept]:
    seen: set[bytes] = set()
    kept: list[_Kept] = []
    with Progress("reading", None) as progress:
        for number, (name, files) in enumerate(inputs):
            counts = InputCounts(name, len(files))
            report.inputs.append(counts)
            is_folder = Path(name).is_dir()
            for row in (row for path in files for row in _rows(path, source, is_folder)):
                progress.update()
                counts.rows_read += 1
                reason = row.reason if isinstance(row, BadRow) else form.why_not(row)
                if reason:
                    counts.bad_rows += 1
                    report.bad.append(row if isinstance(row, BadRow) else BadRow(row.file, row.line, reason))
                elif (mark := _mark(row)) in seen:
                    counts.duplicate_rows += 1
                else:
                    seen.add(mark)
                    kept.append(_spool(row, number, form, options, spool))
    return kept


def _rows(path: Path, source: Source, is_found: bool) -> Iterator[Example | BadRow]:
    """The rows of a file, one BadRow for a file that is of another kind or breaks off."""
    if is_found and source.suffixes and inner_suffix(path) not in source.suffixes:
        yield BadRow(str(path), 0, f"the file is passed over, its name does not end in {' or '.join(source.suffixes)}")
        return
    try:
        yield from source.read(path)
    except (InputError, OSError) as error:
        reason = error.line() if isinstance(error, InputError) else error.strerror or str(error)
        yield BadRow(str(path), 0, f"the file cannot be read from here on: {reason}")


def _spool(row: Example, number: int, form: Format, options: MixOptions, spool: IO[bytes]) -> _Kept:
    prompt = _normal(*row.turns[0][1:])
    is_dev = stable_number("mix split", options.seed, prompt) < options.dev * RANGE
    whole = _normal(*(text for turn in row.turns for text in turn))
    order = stable_number("mix order", options.seed, whole)
    line = json.dumps(form.row(row, f"{order:016x}"), ensure_ascii=False).encode() + b"\n"
    offset = spool.tell()
    spool.write(line)
    return _Kept(order, offset, len(line), number, is_dev)


def _mark(row: Example) -> bytes:
    return blake2b(_normal(*(text for turn in row.turns for text in turn)).encode(), digest_size=12).digest()


def _normal(*texts: str) -> str:
    """Texts without differences of width, case and blanks."""
    return "\n".join(" ".join(normalize("NFKC", text).casefold().split()) for text in texts)


def _require_rows(kept: list[_Kept], report: MixReport) -> None:
    if not kept:
        first = f"the first bad one is {report.bad[0]}" if report.bad else "the files hold no rows"
        raise InputError("--input", f"no usable row, {first}", "rows of the --dataset_type", "check the inputs")


def _write_tables(kept: list[_Kept], spool: IO[bytes], options: MixOptions, report: MixReport) -> None:
    left = dict.fromkeys(range(len(report.inputs)), options.max_per_input)
    with ExitStack() as stack:
        streams = [_opened(stack, table_path(options.output, split)) for split in SPLITS]
        for row in kept:
            if left[row.input] is not None:
                if not left[row.input]:
                    continue
                left[row.input] -= 1
            spool.seek(row.offset)
            streams[row.is_dev].write(spool.read(row.size))
            counts = report.inputs[row.input]
            counts.dev_rows += row.is_dev
            counts.train_rows += not row.is_dev


def table_path(output: Path, split: str) -> Path:
    """The table of a split."""
    return output / f"mixed_{split}_dataset.jsonl"


def _opened(stack: ExitStack, path: Path) -> IO[bytes]:
    return stack.enter_context(stack.enter_context(replaced_file(path)).open("wb"))
