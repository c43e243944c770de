"""Small charts as SVG: histograms of the sets beside each other, and bars of counts. Colours come from the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

_WIDTH, _HEIGHT = 340, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 12, 12, 30
_BINS = 28
_ROW = 20
_LONGEST_LABEL = 24


def histogram(title: str, unit: str, sets: Mapping[str, Sequence[float]]) -> str:
    """Shares of rows by size, a colour for each set.

    Args:
        title: what is measured.
        unit: of the horizontal axis.
        sets: values by name of the set, `train` and `test`; sets without values are left away. Values beyond the 99.5th
            percentile stand in the last bar.

    Returns:
        A figure of HTML; empty without values.
    """
    given = {name: np.asarray(values, float) for name, values in sets.items() if len(values)}
    if not given:
        return ""
    everything = np.concatenate(list(given.values()))
    low, high = _range(everything)
    edges = np.linspace(low, high, _bins(everything, low, high) + 1)
    shares = {name: np.histogram(values.clip(low, high), edges)[0] / len(values) for name, values in given.items()}
    top = max(float(share.max()) for share in shares.values())
    bars = "".join(_bars(name, share / top, place, len(shares)) for place, (name, share) in enumerate(shares.items()))
    cut = "≥ " if everything.max() > high else ""
    return _figure(title, bars + _axes(low, high, top, unit, cut))


def _range(values: np.ndarray) -> tuple[float, float]:
    high = float(np.ceil(np.percentile(values, 99.5)))
    low = float(np.floor(values.min()))
    return low, max(high, low + 1)


def _bins(values: np.ndarray, low: float, high: float) -> int:
    is_whole = bool((values == np.round(values)).all())
    return int(min(_BINS, high - low)) if is_whole else _BINS


def _bars(name: str, heights: np.ndarray, place: int, num_sets: int) -> str:
    step = (_WIDTH - _LEFT - _RIGHT) / len(heights)
    width = max((step - 1) / num_sets, 0.8)
    full = _HEIGHT - _TOP - _BOTTOM
    return "".join(
        f'<rect class="{name}" x="{_LEFT + i * step + place * width:.1f}" y="{_TOP + full * (1 - height):.1f}" '
        f'width="{width:.1f}" height="{full * height:.1f}"/>'
        for i, height in enumerate(heights)
        if height > 0
    )


def _axes(low: float, high: float, top: float, unit: str, cut: str) -> str:
    base, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = [f'<path class="axis" d="M{_LEFT} {_TOP}V{base}H{right}"/>']
    for share in (0.0, 0.5, 1.0):
        x = _LEFT + share * (right - _LEFT)
        anchor = ("start", "middle", "end")[int(2 * share)]
        text = f"{cut if share == 1 else ''}{low + share * (high - low):,.0f}"
        parts.append(f'<text x="{x:.0f}" y="{base + 13}" text-anchor="{anchor}">{text}</text>')
        if share:
            y = _TOP + (1 - share) * (base - _TOP)
            parts.append(f'<text x="{_LEFT - 5}" y="{y + 4:.0f}" text-anchor="end">{_percent(top * share)}</text>')
    parts.append(f'<text x="{right}" y="{base + 26}" text-anchor="end">{escape(unit)}</text>')
    return "".join(parts)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def count_bars(title: str, names: Sequence[str], sets: Mapping[str, Mapping[str, int]]) -> str:
    """Horizontal bars of counts by label: the share of each set's counts, and the count of the first set in figures.

    Args:
        title: what is counted.
        names: the labels in the order in which they are shown.
        sets: counts by label, by name of the set, `train` and `test`; sets without counts are left away.

    Returns:
        A figure of HTML; empty without labels.
    """
    given = {name: (counts, sum(counts.values())) for name, counts in sets.items() if counts}
    if not names or not given:
        return ""
    top = max(counts.get(label, 0) / total for counts, total in given.values() for label in names) or 1.0
    first = next(iter(given.values()))[0]
    start, room, thick = 150, _WIDTH - 205, 12 // len(given)
    parts = []
    for place, label in enumerate(names):
        y = _TOP + place * _ROW
        shown = label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"
        parts.append(f'<text x="{start - 6}" y="{y + 10}" text-anchor="end">{escape(shown)}</text>')
        for row, (name, (counts, total)) in enumerate(given.items()):
            width = room * counts.get(label, 0) / total / top
            parts.append(
                f'<rect class="{name}" x="{start}" y="{y + (thick + 1) * row}" width="{width:.1f}" height="{thick}"/>'
            )
        parts.append(f'<text x="{_WIDTH - 4}" y="{y + 10}" text-anchor="end">{first.get(label, 0):,}</text>')
    return _figure(title, "".join(parts), 2 * _TOP + len(names) * _ROW)


def _figure(title: str, body: str, height: int = _HEIGHT) -> str:
    label = escape(title, quote=True)
    svg = f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">{body}</svg>'
    return f'<figure class="chart"><figcaption>{escape(title)}</figcaption>{svg}</figure>'
