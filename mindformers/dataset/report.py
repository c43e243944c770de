"""What a preprocessing run did, counted. Rows and tokens are those of one pass, records those of all."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from mindformers.dataset.example import BadRow, LeftOut
from mindformers.tools.errors import InputError

_LISTED_BAD_ROWS = 10_000


@dataclass
class ChunkCounts:
    """Counts of some examples: number, tokens before truncation, truncated ones, tokens kept per modality, targets."""

    examples: int = 0
    tokens_before_cut: int = 0
    longest: int = 0
    truncated: int = 0
    tokens: dict[str, int] = field(default_factory=dict)
    target_tokens: int = 0

    def add(self, other: ChunkCounts) -> None:
        """Add the counts of further examples."""
        self.examples += other.examples
        self.tokens_before_cut += other.tokens_before_cut
        self.longest = max(self.longest, other.longest)
        self.truncated += other.truncated
        self.target_tokens += other.target_tokens
        for modality, count in other.tokens.items():
            self.tokens[modality] = self.tokens.get(modality, 0) + count


@dataclass
class Report:
    """The whole run.

    Args:
        settings: what was asked for.
        max_errors: bad rows that may be left out; negative for any number. Rows that only teach nothing do not count.
    """

    settings: dict[str, Any]
    max_errors: int
    counts: ChunkCounts = field(default_factory=ChunkCounts)
    num_bad: int = 0
    num_left_out: int = 0
    bad_rows: list[BadRow] = field(default_factory=list)
    num_records: int = 0
    seconds: float = 0.0

    def add_bad(self, rows: list[BadRow]) -> None:
        """Count bad rows. Raises InputError once there are more than allowed."""
        for row in rows:
            self.num_bad += 1
            self.num_left_out += isinstance(row, LeftOut)
            if len(self.bad_rows) < _LISTED_BAD_ROWS:
                self.bad_rows.append(row)
            if 0 <= self.max_errors < self.num_bad - self.num_left_out:
                allowed = f"at most {self.max_errors} bad rows (max_errors)"
                raise InputError(str(row), "a bad row too many", allowed, "correct the rows or raise max_errors")

    def to_dict(self) -> dict[str, Any]:
        """The report as it is written to JSON; lengths in tokens, rate in rows per second."""
        counts = self.counts
        return {
            **self.settings,
            "rows_read": counts.examples + self.num_bad,
            "rows_used": counts.examples,
            "rows_bad": self.num_bad,
            "rows_left_out": self.num_left_out,
            "bad_rows": [asdict(row) for row in self.bad_rows],
            "rows_truncated": counts.truncated,
            "records_written": self.num_records,
            "tokens": counts.tokens,
            "target_tokens": counts.target_tokens,
            "mean_length": round(counts.tokens_before_cut / max(counts.examples, 1), 2),
            "max_length": counts.longest,
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(counts.examples / max(self.seconds, 1e-9), 1),
        }

    def summary(self) -> str:
        """One line for the user."""
        counts = self.counts
        tokens = ", ".join(f"{count} {modality}" for modality, count in counts.tokens.items() if count)
        mean = counts.tokens_before_cut / max(counts.examples, 1)
        return (
            f"{self.num_records} records from {counts.examples} rows ({self.num_bad} bad, "
            f"{counts.truncated} truncated); tokens: {tokens}; length {mean:.1f} on average, {counts.longest} at most; "
            f"{self.seconds:.1f} s"
        )
