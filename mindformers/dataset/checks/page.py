"""One page of a check: counts, findings, histograms, labels and drawings, in one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

from mindformers.dataset.checks.charts import count_bars, histogram
from mindformers.dataset.checks.drawings import drawing
from mindformers.dataset.checks.findings import GROUPS, KINDS, TEST, TRAIN, Finding
from mindformers.dataset.checks.survey import TOKENS, Survey
from mindformers.modalities import MODALITIES

_LISTED, _PAIRS, _LABELS = 20, 6, 15
_STYLE = """
:root{color-scheme:light dark;--paper:#fbfbfa;--card:#fff;--ink:#1d2126;--soft:#5f6975;--line:#e2e4e8;--train:#3f74b5;
--test:#d98a2b;--good:#2c7d4f;--bad:#b93a32}
@media(prefers-color-scheme:dark){:root{--paper:#14171b;--card:#1c2026;--ink:#e6e8eb;--soft:#9aa4b0;--line:#313740;
--train:#7fa9df;--test:#e8ac5f;--good:#6cc28f;--bad:#ec7f76}.molecule svg{filter:invert(1) hue-rotate(180deg)}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1120px;margin:0 auto;padding:36px 24px 60px}
h1{font-size:26px;margin:0 0 2px}h2{font-size:18px;margin:38px 0 12px}
p{margin:0 0 10px;color:var(--soft)}code{font:12px/1.4 ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.tiles,.grid{display:grid;gap:14px}.tiles{grid-template-columns:repeat(auto-fit,minmax(150px,1fr));margin-top:20px}
.grid{grid-template-columns:repeat(auto-fill,minmax(310px,1fr))}
.molecules{grid-template-columns:repeat(auto-fill,minmax(200px,1fr))}
.pairs{grid-template-columns:repeat(auto-fill,minmax(400px,1fr))}
.tile,figure,table,.pair{background:var(--card);border:1px solid var(--line);border-radius:10px;margin:0}
.tile{padding:12px 16px}.tile b{display:block;font-size:25px;font-weight:650;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft)}.good b{color:var(--good)}.bad b{color:var(--bad)}
figure{padding:12px}figcaption{font-size:13px;color:var(--soft)}.chart figcaption{font-weight:600;color:var(--ink)}
svg{width:100%;height:auto;display:block}.chart text{font-size:10.5px;fill:var(--soft)}
.chart .axis{fill:none;stroke:var(--line)}
.train{fill:var(--train)}.test{fill:var(--test)}
.key i{display:inline-block;width:11px;height:11px;border-radius:3px;margin:0 5px 0 14px}
.key i:first-child{margin-left:0}
.molecule{text-align:center}.molecule b{color:var(--ink)}.molecule svg{aspect-ratio:23/17}
.none{padding:50px 0;color:var(--soft)}
.pair{padding:10px 14px}.pair div{display:grid;grid-template-columns:1fr 1fr;gap:6px}.pair figure{border:0;padding:4px}
table{border-collapse:separate;border-spacing:0;width:100%;overflow:hidden}
td,th{padding:7px 14px;text-align:left;border-top:1px solid var(--line)}tr:first-child th{border-top:0}
th{font-size:13px;color:var(--soft);font-weight:600}.n{text-align:right;font-variant-numeric:tabular-nums}
tr.zero td{color:var(--soft)}.hit{color:var(--bad);font-weight:650}
details{margin:8px 0}summary{cursor:pointer}li{font-size:13px;overflow-wrap:anywhere}
"""


def render_page(found: Survey) -> str:
    """The page as HTML, with styles and drawings inside; light or dark as the reader's system is."""
    sections = [
        _head(found),
        _findings(found),
        _pairs(found),
        _charts(found),
        _labels(found),
        _examples(found),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><title>Data check</title>'
        f"<style>{_STYLE}</style></head><body><main>{''.join(sections)}</main></body></html>\n"
    )


def _head(found: Survey) -> str:
    names = [f"{split}: {', '.join(getattr(found.options, split))}" for split in found.sets]
    tiles = [_tile(f"{figures.rows:,}", f"{split} rows", "") for split, figures in found.sets.items()]
    for group in GROUPS:
        if group != "leakage" or TEST in found.sets:
            number = found.findings.count_group(group)
            tiles.append(_tile(f"{number:,}", group, "bad" if number else "good"))
    described = f"{found.options.dataset_type}; {'; '.join(names)}"
    return f'<h1>Data check</h1><p>{escape(described)}</p><div class="tiles">{"".join(tiles)}</div>'


def _tile(number: str, words: str, kind: str) -> str:
    return f'<div class="tile {kind}"><b>{number}</b><span>{words}</span></div>'


def _findings(found: Survey) -> str:
    head = "".join(f'<th class="n">{split}</th>' for split in found.sets)
    rows, lists = [], []
    for kind, (group, words) in KINDS.items():
        counts = [found.findings.count(kind, split) for split in found.sets]
        if (group == "leakage" and TEST not in found.sets) or (group == "notes" and not any(counts)):
            continue
        cells = "".join(f'<td class="n{" hit" * bool(count)}">{count:,}</td>' for count in counts)
        rows.append(f'<tr class="{"" if any(counts) else "zero"}"><td>{words}</td><td>{group}</td>{cells}</tr>')
        if any(counts):
            lists.append(_listed(f"{words}: {sum(counts):,}", found.findings.kept[kind], sum(counts)))
    table = f"<table><tr><th>what</th><th>group</th>{head}</tr>{''.join(rows)}</table>"
    return f"<h2>Findings</h2>{table}{''.join(lists)}"


def _listed(title: str, kept: list[Finding], number: int) -> str:
    items = [
        f"<li><b>{escape(Path(one.row.file).name)} line {one.row.line}</b> {escape(one.reason)}</li>"
        for one in kept[:_LISTED]
    ]
    more = f"<li>and {number - _LISTED:,} more</li>" if number > _LISTED else ""
    return f"<details><summary>{escape(title)}</summary><ul>{''.join(items)}{more}</ul></details>"


def _pairs(found: Survey) -> str:
    leaks = [one for kind in KINDS if kind.startswith("leak") for one in found.findings.kept.get(kind, ())]
    with_molecule = [one for one in leaks if one.row.molecule and one.other and one.other.molecule]
    # Rarer kinds first come into view: one of each, then the rest.
    first = {one.kind: one for one in reversed(with_molecule)}
    chosen = [*first.values(), *(one for one in with_molecule if one not in first.values())][:_PAIRS]
    if not chosen:
        return ""
    pairs = "".join(_pair(one) for one in sorted(chosen, key=lambda one: list(KINDS).index(one.kind)))
    return f'<h2>Leakage, drawn</h2><div class="grid pairs">{pairs}</div>'


def _pair(one: Finding) -> str:
    words = one.kind.removeprefix("leak_").replace("inchikey", "InChIKey")
    left = drawing(one.row.molecule, f"test, line {one.row.line}")
    right = drawing(one.other.molecule, f"train, line {one.other.line}")
    return f'<div class="pair"><b>same {words}</b><div>{left}{right}</div></div>'


def _charts(found: Survey) -> str:
    figures = [_length_chart(found, row.name) for row in MODALITIES]
    if found.unit == TOKENS:
        figures.insert(0, histogram("Tokens a row", "tokens", _values(found, "whole")))
    figures.append(histogram("Heavy atoms", "atoms", _values(found, "heavy_atoms")))
    figures.append(histogram("Molecular weight", "g/mol", _values(found, "weights")))
    return f'<h2>Sizes</h2>{_key(found.sets)}<div class="grid">{"".join(figures)}</div>'


def _length_chart(found: Survey, modality: str) -> str:
    unit = "tokens" if found.unit == TOKENS else "words" if modality == MODALITIES[0].name else "characters"
    lengths = {split: figures.lengths.get(modality, ()) for split, figures in found.sets.items()}
    return histogram(f"{modality.capitalize()} {unit} a row", unit, lengths)


def _values(found: Survey, name: str) -> dict[str, Iterable[float]]:
    return {split: getattr(figures, name) for split, figures in found.sets.items()}


def _key(sets: Iterable[str]) -> str:
    parts: Iterator[str] = (f'<i style="background:var(--{split})"></i>{split}' for split in sets)
    return f'<p class="key">{"".join(parts)}: shares of the rows</p>'


def _labels(found: Survey) -> str:
    coverage = found.labels
    if coverage is None:
        return ""
    counts = {split: figures.labels for split, figures in found.sets.items()}
    words = f"{coverage['labels']:,} labels, {coverage['labels_in_fewer_than_5_rows']:,} in fewer than 5 rows"
    missing = coverage.get("test_rows_per_missing_label", {})
    if TEST in found.sets:
        number = coverage["test_labels_not_in_train"]
        words += f"; {number:,} of the test set's {coverage['test_labels']:,} are not in training"
    charts = count_bars("Most frequent labels, rows in training", list(coverage["most_frequent"])[:_LABELS], counts)
    charts += count_bars("Labels that training lacks, rows in test", list(missing)[:_LABELS], {TEST: missing})
    return f'<h2>Labels</h2><p>{words}.</p><div class="grid">{charts}</div>'


def _examples(found: Survey) -> str:
    drawn = "".join(map(drawing, found.sets[TRAIN].examples))
    return f'<h2>Example molecules</h2><div class="grid molecules">{drawn}</div>' if drawn else ""
