"""Molecules as drawings inside a page."""

from __future__ import annotations

import re
from html import escape

_WIDTH, _HEIGHT = 230, 170
_LONGEST_CAPTION = 46


def drawing(smiles: str, note: str = "") -> str:
    """A molecule as SVG over its SMILES; the SMILES alone where RDKit cannot read it.

    Args:
        smiles: the molecule.
        note: a line above the SMILES, e.g. where it stands.
    """
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    picture = _svg(molecule) if molecule is not None else '<div class="none">no molecule</div>'
    shown = smiles if len(smiles) <= _LONGEST_CAPTION else f"{smiles[: _LONGEST_CAPTION - 1]}…"
    above = f"<b>{escape(note)}</b><br>" if note else ""
    caption = f'{above}<code title="{escape(smiles, quote=True)}">{escape(shown)}</code>'
    return f'<figure class="molecule">{picture}<figcaption>{caption}</figcaption></figure>'


def _svg(molecule: object) -> str:
    from rdkit.Chem.Draw import rdMolDraw2D

    canvas = rdMolDraw2D.MolDraw2DSVG(_WIDTH, _HEIGHT)
    options = canvas.drawOptions()
    options.clearBackground = False
    options.padding = 0.06
    options.bondLineWidth = 1.3
    options.maxFontSize = 16
    rdMolDraw2D.PrepareAndDrawMolecule(canvas, molecule)
    canvas.FinishDrawing()
    text = canvas.GetDrawingText()
    text = re.sub(r"<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    # The page decides the size; names of atoms and bonds would only make it large.
    text = re.sub(r" class='[^']*'", "", text)
    return re.sub(r"width='\d+px' height='\d+px'", "", text, count=1).strip()
