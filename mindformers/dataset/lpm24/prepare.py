"""From the published files of L+M-24 to the layout: read, check, choose, split, write."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mindformers.dataset.example import BadRow
from mindformers.dataset.lpm24.canonical import canonical_rows
from mindformers.dataset.lpm24.captions import caption_of
from mindformers.dataset.lpm24.figures import Figures
from mindformers.dataset.lpm24.layout import TASKS, LayoutWriter, Task, layout_writer
from mindformers.dataset.lpm24.phrasings import varied_caption
from mindformers.dataset.lpm24.rows import Row, checked
from mindformers.dataset.lpm24.selection import choose_rows
from mindformers.dataset.lpm24.sources import find_sources
from mindformers.dataset.lpm24.splitting import Splitter, make_splitter
from mindformers.tools.errors import InputError
from mindformers.tools.files import write_json
from mindformers.tools.progress import Progress

Place = tuple[str, int]  # file and line

_SHOWN_BAD_ROWS = 20
_DEALS_PER_CAPTION = 8  # a set of one property has some hundred captions, of which two may be dealt alike


@dataclass(frozen=True)
class Options:
    """What to prepare.

    Args:
        source: a published file, or a folder that holds some.
        output: the folder of the layout.
        task: `smiles2text`, `text2smiles` or `both`.
        holdout: expected share of molecules on the test side, 0 to 1 (1 excluded).
        split_by: `molecule` keeps every spelling of a molecule on one side, `connectivity` also its stereoisomers.
        withheld_combos: a file of property combinations; molecules with one of them are test molecules too.
        seed: chooses split, sample, wording and instruction phrases.
        wording: of captions made from properties: `steady`, four ways, mostly the first, or `varied`, thousands.
        captions_per_molecule: training captions of a molecule, each worded otherwise; needs `varied`.
        max_molecules: most training and test rows together; None for all.
        max_per_property_set: most rows with the same property set; None for all.
        max_smiles_length: longest SMILES that is kept, in characters; None for any.
        report: a JSON file for counts, figures and every bad row; None for none.
        workers: processes that canonicalise molecules; 0 for as many as there are processors, at most 4.
    """

    source: Path
    output: Path
    task: str = "both"
    holdout: float = 0.02
    split_by: str = "molecule"
    withheld_combos: Path | None = None
    seed: int = 0
    wording: str = "steady"
    captions_per_molecule: int = 1
    max_molecules: int | None = None
    max_per_property_set: int | None = None
    max_smiles_length: int | None = None
    report: Path | None = None
    workers: int = 0

    def validate(self) -> None:
        """Raise InputError for a value out of range."""
        if not 0 <= self.holdout < 1:
            raise InputError("--holdout", f"{self.holdout}", "a share from 0 to below 1", "for example 0.02")
        if self.captions_per_molecule < 1 or (self.captions_per_molecule > 1 and self.wording != "varied"):
            expected = "1 with steady wording, 1 or more with varied"
            raise InputError("--captions_per_molecule", f"{self.captions_per_molecule}", expected, "--wording varied")
        for name in ("max_molecules", "max_per_property_set", "max_smiles_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"--{name}", f"{value}", "a whole number above 0", "leave it out for no limit")
        if self.workers < 0:
            raise InputError("--workers", f"{self.workers}", "0 or more processes", "leave it out to use what is there")

    def num_workers(self) -> int:
        """Processes that RDKit gets."""
        return self.workers or min(os.cpu_count() or 1, 4)

    def tasks(self) -> tuple[Task, ...]:
        """The directions to write."""
        return tuple(task for task in TASKS if self.task in (task.name, "both"))


class Tally:
    """Counts every row by what became of it and names each bad one."""

    def __init__(self) -> None:
        names = ("rows_read", "bad_rows", "duplicate_rows", "too_long_rows", "eval_rows", "withheld_combo_rows")
        self.counts = dict.fromkeys(names, 0)
        self.bad: list[BadRow] = []
        self._repetitions: list[tuple[Place, Place]] = []

    def add_bad(self, row: BadRow) -> None:
        """Count a bad row; the first ones are shown on standard error at once."""
        self.bad.append(row)
        self.counts["bad_rows"] += 1
        if len(self.bad) <= _SHOWN_BAD_ROWS:
            sys.stderr.write(f"bad row: {row}\n")

    def add_duplicate(self, row: Row, first: Place) -> None:
        """Count a row that repeats the one at `first`."""
        self.counts["duplicate_rows"] += 1
        self._repetitions.append(((row.file, row.line), first))

    def judge_duplicates(self) -> None:
        """At the end: what repeats a row that turned out to be bad is a bad row too."""
        reasons = {(row.file, row.line): row.reason for row in self.bad}
        for (file, line), first in self._repetitions:
            if first in reasons:
                self.counts["duplicate_rows"] -= 1
                self.add_bad(BadRow(file, line, reasons[first]))

    def show_rest(self, report: Path | None) -> None:
        """Say how many bad rows were not shown, and where they are."""
        rest = len(self.bad) - _SHOWN_BAD_ROWS
        if rest > 0:
            sys.stderr.write(f"bad rows: {rest} more, {f'all in {report}' if report else 'named by --report FILE'}\n")


def prepare(options: Options) -> dict[str, Any]:
    """Write the layout.

    Returns:
        The report: options, names of the files read and written, counts, figures and bad rows.

    Raises:
        InputError: an option out of range, an unreadable source, or no usable row in it; nothing is written then.
    """
    options.validate()
    sources = find_sources(options.source)
    tally, figures = Tally(), Figures()
    splitter = make_splitter(sources, options)
    with layout_writer(options.output, options.tasks(), options.seed) as writer:
        training = _training_rows(_read(sources, tally), options, tally, writer.write_question)
        _write_training(training, options, splitter, tally, figures, writer)
        tally.judge_duplicates()
        tally.show_rest(options.report)
        _require_rows(options, tally, figures)
    report = _report(options, [path.name for path, _ in sources], tally, figures, writer, splitter)
    if options.report:
        write_json(options.report, report)
    return report


def _read(sources: list, tally: Tally) -> Iterator[Row]:
    for path, reader in sources:
        with Progress(f"reading {path.name}", None) as progress:
            for row in reader(path):
                tally.counts["rows_read"] += 1
                progress.update()
                row = checked(row) if isinstance(row, Row) else row
                if isinstance(row, BadRow):
                    tally.add_bad(row)
                else:
                    yield row


def _training_rows(
    rows: Iterable[Row], options: Options, tally: Tally, write_question: Callable[[Row], None]
) -> Iterator[Row]:
    """The rows that say something about a molecule, each once; questions of an evaluation set go to their files."""
    seen: dict[bytes, Place] = {}
    for row in rows:
        if not row.is_training:
            tally.counts["eval_rows"] += 1
            write_question(row)
        elif options.max_smiles_length and len(row.molecule) > options.max_smiles_length:
            tally.counts["too_long_rows"] += 1
        elif (mark := _mark(row)) in seen:
            tally.add_duplicate(row, seen[mark])
        else:
            seen[mark] = row.file, row.line
            yield row


def _mark(row: Row) -> bytes:
    return blake2b("\t".join((row.molecule, row.caption, *row.properties)).encode(), digest_size=12).digest()


def _write_training(
    rows: Iterable[Row], options: Options, splitter: Splitter, tally: Tally, figures: Figures, writer: LayoutWriter
) -> None:
    chosen = choose_rows(rows, options.max_molecules, options.max_per_property_set, options.seed)
    for found in canonical_rows(chosen, options.num_workers(), splitter.keys):
        if isinstance(found, BadRow):
            tally.add_bad(found)
            continue
        row, key = found
        withheld = splitter.combos.of(row.properties)
        split = splitter.split_of(key)
        tally.counts["withheld_combo_rows"] += bool(withheld)
        for number, captioned in enumerate(_captioned(row, split, options)):
            writer.write(captioned, split, withheld, number)
            figures.add(captioned, split)


def _captioned(row: Row, split: str, options: Options) -> Iterator[Row]:
    """The row with its caption; of a training row without one as many different ones as are asked for."""
    if row.caption:
        yield row
    elif options.wording == "steady":
        yield replace(row, caption=caption_of(row.properties, row.molecule, options.seed))
    else:
        count = options.captions_per_molecule if split == "train" else 1
        captions: dict[str, None] = {}
        for number in range(_DEALS_PER_CAPTION * count):
            captions[varied_caption(row.properties, row.molecule, options.seed, number)] = None
            if len(captions) == count:
                break
        yield from (replace(row, caption=caption) for caption in captions)


def _require_rows(options: Options, tally: Tally, figures: Figures) -> None:
    if figures.num_rows or tally.counts["eval_rows"]:
        return
    got = f"no usable row among {tally.counts['rows_read']}"
    raise InputError(
        f"--source '{options.source}'", got, "rows of L+M-24", "see the bad rows above or loosen the limits"
    )


def _report(
    options: Options, read: list[str], tally: Tally, figures: Figures, writer: LayoutWriter, splitter: Splitter
) -> dict[str, Any]:
    chosen = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(options).items()}
    return {
        "options": chosen,
        "files_read": read,
        "files_written": [str(path) for path in writer.paths],
        **tally.counts,
        "withheld_combos": len(splitter.combos),
        **figures.summary(),
        "bad": [asdict(row) for row in tally.bad],
    }
