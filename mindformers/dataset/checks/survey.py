"""The whole check: read the training set, then the test set against it; the figures, the report and the page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mindformers.dataset.checks.figures import SetFigures, label_coverage
from mindformers.dataset.checks.findings import GROUPS, KINDS, TEST, TRAIN, Findings
from mindformers.dataset.checks.rows import ReadOptions, read_checked
from mindformers.dataset.encode import Tokenizer
from mindformers.dataset.example import BadRow
from mindformers.tools.errors import InputError
from mindformers.tools.files import write_json

TOKENS, WRITTEN = "tokens", "characters of sequences, words of text"


@dataclass(frozen=True)
class CheckOptions:
    """What to check.

    Args:
        train: files or patterns of the training set.
        test: files or patterns of the test set; none for the training set alone.
        dataset_type: format, a name of `source_names()` or `lpm24`.
        test_type: format of the test set; None for the same.
        template: how conversations are written; None for the format's own.
        seq_length: tokens that the model sees; None for any length. Needs a tokenizer.
        report: JSON file; None for none.
        page: HTML file, see `checks.page`; None for none.
        fail_on: groups of findings that make the check end with status 2, of `GROUPS`.
        workers: processes; None for one per processor.
    """

    train: tuple[str, ...]
    dataset_type: str
    test: tuple[str, ...] = ()
    test_type: str | None = None
    template: str | None = None
    seq_length: int | None = None
    report: Path | None = None
    page: Path | None = None
    fail_on: tuple[str, ...] = ()
    workers: int | None = None

    def validate(self, has_tokenizer: bool) -> None:
        """Raise InputError for what does not fit together."""
        if self.seq_length is not None and not has_tokenizer:
            raise InputError("--seq_length", str(self.seq_length), "--model_file beside it", "name the tokenizer")
        for name in ("seq_length", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"--{name}", str(value), "1 or more", "correct it")
        for group in self.fail_on:
            if group not in GROUPS:
                raise InputError("--fail_on", f"'{group}'", f"some of {', '.join(GROUPS)}", "correct it")


@dataclass
class Survey:
    """What was found.

    Args:
        options: what was checked.
        unit: what lengths are counted in.
        sets: the figures of `train` and, where there is one, `test`.
        findings: faults, repetitions and leakage.
    """

    options: CheckOptions
    unit: str
    sets: dict[str, SetFigures]
    findings: Findings

    @property
    def labels(self) -> dict[str, Any] | None:
        """Label coverage; None where rows have no labels."""
        return label_coverage(self.sets[TRAIN], self.sets.get(TEST))

    def to_dict(self) -> dict[str, Any]:
        """The report as it is written to JSON."""
        from rdkit import rdBase

        options = {name: str(v) if isinstance(v, Path) else v for name, v in asdict(self.options).items()}
        return {
            "options": options,
            "rdkit": rdBase.rdkitVersion,
            **{group: self.findings.count_group(group) for group in GROUPS},
            "sets": {split: figures.summary(self.unit) for split, figures in self.sets.items()},
            "labels": self.labels,
            "findings": {kind: self._findings(kind) for kind in KINDS},
        }

    def _findings(self, kind: str) -> dict[str, Any]:
        kept = self.findings.kept.get(kind, ())
        counts = {split: self.findings.count(kind, split) for split in self.sets}
        return {"group": KINDS[kind][0], **counts, "rows": [finding.to_dict() for finding in kept]}


def survey(options: CheckOptions, tokenizer: Tokenizer | None = None) -> Survey:
    """Check the sets and write the report where one is asked for.

    Args:
        options: what to check.
        tokenizer: counts tokens; without one, lengths are those of `WRITTEN`.

    Raises:
        InputError: options that do not fit, or an input that cannot be read.
    """
    options.validate(tokenizer is not None)
    found = Survey(options, WRITTEN if tokenizer is None else TOKENS, {}, Findings())
    _read(found, TRAIN, options.train, options.dataset_type, tokenizer)
    if options.test:
        _read(found, TEST, options.test, options.test_type or options.dataset_type, tokenizer)
    if options.report:
        write_json(options.report, found.to_dict())
    return found


def require_none(found: Survey) -> None:
    """Raise InputError where there are findings of a group that `fail_on` names."""
    for group in found.options.fail_on:
        if number := found.findings.count_group(group):
            where = f"see {found.options.report}" if found.options.report else "--report FILE lists them"
            raise InputError(group, f"{number} found", "none (--fail_on)", where)


def _read(found: Survey, split: str, patterns: tuple[str, ...], dataset_type: str, tokenizer: Tokenizer | None) -> None:
    options = ReadOptions(dataset_type, found.options.template, found.options.seq_length, found.options.workers)
    figures = found.sets.setdefault(split, SetFigures())
    for pattern in patterns:
        for row in read_checked(pattern, options, tokenizer):
            found.findings.add_row(row, split)
            if not isinstance(row, BadRow):
                figures.add(row)
