"""What a metric is and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from mindformers.evaluation.metrics.estimate import Estimate
from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister

if TYPE_CHECKING:
    from rdkit.Chem import Mol

    from mindformers.evaluation.words import Words

T = TypeVar("T", bound="type[Metric]")


@dataclass(frozen=True)
class Unmeasured:
    """Stands in the place of a score that cannot be computed here.

    Args:
        cell: what the table shows, e.g. `needs WordNet`.
        note: the reason and the next step, one sentence.
    """

    cell: str
    note: str


Score = float | Unmeasured


class Pairs:
    """Ground truths and outputs, with the views of them that several metrics share, each computed once.

    Args:
        truths: the right answers.
        outputs: the answers to score, in the same order.
        words: how to split texts; None for tasks without words.
        answers: all answers that are right, or candidates, best first, where there are more than the ground truth.
        probabilities: of the answer Yes, None where it is not known.
    """

    def __init__(
        self,
        truths: Sequence[str],
        outputs: Sequence[str],
        words: Words | None = None,
        answers: Sequence[tuple[str, ...]] | None = None,
        probabilities: Sequence[float | None] | None = None,
    ) -> None:
        self.truths, self.outputs, self.words = list(truths), list(outputs), words
        self.answers = [(truth,) for truth in truths] if answers is None else answers
        self.probabilities = [None] * len(self.truths) if probabilities is None else probabilities

    def __len__(self) -> int:
        return len(self.truths)

    def with_outputs(self, outputs: Sequence[str]) -> Pairs:
        """Other outputs for the same ground truths."""
        return Pairs(self.truths, outputs, self.words)

    @cached_property
    def truth_words(self) -> list[list[str]]:
        """The words of each ground truth."""
        return self._split(self.truths)

    @cached_property
    def output_words(self) -> list[list[str]]:
        """The words of each output."""
        return self._split(self.outputs)

    @cached_property
    def truth_molecules(self) -> list[Mol | None]:
        """Each ground truth as RDKit reads it; None where it cannot."""
        return _parse(self.truths)

    @cached_property
    def output_molecules(self) -> list[Mol | None]:
        """Each output as RDKit reads it; None where it cannot."""
        return _parse(self.outputs)

    @cached_property
    def molecule_pairs(self) -> list[tuple[Mol, Mol] | None]:
        """(ground truth, output) of each item; None where RDKit cannot read both."""
        both = zip(self.truth_molecules, self.output_molecules, strict=True)
        return [None if truth is None or output is None else (truth, output) for truth, output in both]

    def _split(self, texts: Sequence[str]) -> list[list[str]]:
        assert self.words is not None, "this task declares no words"
        return self.words.split(texts)


class Metric:
    """Base of the metrics.

    Attributes:
        name: what `--skip` takes; set by the decorator.
        packages: the distributions that compute it, for the report's versions.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()

    def estimates(self, pairs: Pairs) -> dict[str, Estimate | Unmeasured]:
        """The rows of the table that this metric fills: name -> score, with how it is drawn again."""
        raise NotImplementedError

    def score(self, pairs: Pairs) -> dict[str, Score]:
        """The rows as plain scores."""
        found = self.estimates(pairs)
        return {row: one.value if isinstance(one, Estimate) else one for row, one in found.items()}

    def details(self, pairs: Pairs) -> dict[str, Any]:
        """Scores below the rows, as plain values for the JSON file."""
        return {}

    def remarks(self, pairs: Pairs) -> list[str]:
        """What a reader of the rows has to know, one sentence each."""
        return []

    def versions(self) -> dict[str, str]:
        """Library -> version, of those that are installed."""
        return installed_versions(self.packages)


def register_metric(name: str) -> Callable[[T], T]:
    """Decorator: make a metric known under `name`."""

    def add(metric: T) -> T:
        metric.name = name
        return MindFormerRegister.register(MindFormerModuleType.METRIC, name)(metric)

    return add


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Distribution -> version, of those that are installed."""
    return {package: found for package in packages if (found := _version(package))}


def _parse(texts: Sequence[str]) -> list[Mol | None]:
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        known = {text: Chem.MolFromSmiles(text) for text in dict.fromkeys(texts)}
    return [known[text] for text in texts]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
