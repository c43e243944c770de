"""Molecules as packed bits of their Morgan fingerprints (Rogers and Hahn, 2010), made in several processes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from mindformers.dataset.parallel_map import map_chunks
from mindformers.tools.progress import Progress

RADIUS, NUM_BITS = 2, 2048
_CHUNK = 1000


def morgan_bits(
    molecules: Sequence[str], workers: int = 1, what: str = "fingerprints"
) -> tuple[np.ndarray, np.ndarray]:
    """Fingerprints of SMILES.

    Args:
        molecules: SMILES.
        workers: processes.
        what: how the progress is labelled.

    Returns:
        uint8 [N, NUM_BITS / 8], and bool [N], whether RDKit reads the molecule; the bits of others are 0.
    """
    job = partial(_bits_of, radius=RADIUS, num_bits=NUM_BITS)
    bits, readable = [np.zeros((0, NUM_BITS // 8), np.uint8)], [np.zeros(0, bool)]
    with Progress(what, len(molecules), "molecules") as progress:
        for packed, is_read in map_chunks(job, molecules, workers, _CHUNK):
            bits.append(packed)
            readable.append(is_read)
            progress.update(len(packed))
    return np.concatenate(bits), np.concatenate(readable)


def _bits_of(molecules: list[str], radius: int, num_bits: int) -> tuple[np.ndarray, np.ndarray]:
    from rdkit import Chem, rdBase
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    generator = GetMorganGenerator(radius=radius, fpSize=num_bits)
    bits, readable = np.zeros((len(molecules), num_bits), np.uint8), np.zeros(len(molecules), bool)
    with rdBase.BlockLogs():
        for row, smiles in enumerate(molecules):
            molecule = Chem.MolFromSmiles(smiles)
            if molecule is not None:
                bits[row], readable[row] = generator.GetFingerprintAsNumPy(molecule), True
    return np.packbits(bits, axis=1), readable
