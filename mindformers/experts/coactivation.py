"""Neurons that fire together become one expert, judged by what they do on domain data (cf. MoEfication, section 3.1).

    h [T, F] -- a = h, or 0.3 |h| where negative --> a [T, F] -- noise [T, s] of the token's modality --> profile [F, s]

A neuron's profile in a modality is its activations over all tokens of that modality, projected at random to s numbers
(Johnson & Lindenstrauss 1984): products of two profiles are products of two activation histories up to an error of
about 1 / sqrt(s). The size does not grow with the data, and the noise of a token depends on nothing but its place among
those of its modality, so that batches of any size give the same profiles up to summation order.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mindformers.experts.kmeans import balanced_kmeans
from mindformers.experts.labels import expert_size
from mindformers.tools.errors import InputError

# The router keeps experts for their positive sums, so positive activations say which neurons belong together. Negative
# ones count a little: a neuron that is loud and negative must not be taken for a silent one and dropped with those.
_NEGATIVE_SHARE = 0.3


class CoactivationProfile:
    """What each neuron of one layer does in each modality. Memory: 4 x num_modalities x F x size bytes.

    Args:
        num_neurons: F.
        num_modalities: rows of the table of modalities.
        seed: of the projection and of the clustering.
        size: s, numbers a neuron and modality.
    """

    def __init__(self, num_neurons: int, num_modalities: int, seed: int = 0, size: int = 256) -> None:
        self.seed, self.size = seed, size
        self.num_tokens = np.zeros(num_modalities, np.int64)
        self.profiles = np.zeros((num_modalities, num_neurons, size), np.float32)
        self._noise = [np.random.default_rng((seed, modality)) for modality in range(num_modalities)]

    def add(self, h: np.ndarray, modality_rows: np.ndarray) -> None:
        """Count a batch in.

        Args:
            h: activations float [T, F].
            modality_rows: int [T], the row of each token's modality in the table; below 0 for tokens to leave out.

        Raises: InputError for other shapes or rows, and for activations that are not finite.
        """
        check_activations(h, modality_rows, self.profiles.shape[1], len(self.profiles))
        for modality in np.unique(modality_rows[modality_rows >= 0]):
            fired = np.asarray(h[modality_rows == modality], np.float32)
            fired = np.where(fired > 0, fired, -_NEGATIVE_SHARE * fired)
            noise = self._noise[modality].standard_normal((len(fired), self.size), dtype=np.float32)
            self.profiles[modality] += fired.T @ noise
            self.num_tokens[modality] += len(fired)

    def features(self) -> np.ndarray:
        """All profiles side by side, float32 [F, modalities seen x s], each modality of the same total weight.

        Loudness within a modality stays: it is energy that experts are to hold together, and silent neurons share one.
        """
        lengths = np.sqrt(np.einsum("mfs,mfs->m", self.profiles, self.profiles))
        if not lengths.any():
            expected = "some tokens of a modality"
            raise InputError("activations", "no neuron has fired", expected, "give data to gather activations on")
        return np.concatenate([self.profiles[row] / lengths[row] for row in np.flatnonzero(lengths)], axis=1)

    def cluster(self, num_experts: int) -> np.ndarray:
        """Balanced groups of neurons that fire together: labels int32 [F]. InputError where E does not divide F."""
        expert_size(self.profiles.shape[1], num_experts, "co-activation")
        return balanced_kmeans(self.features(), num_experts, self.seed)


def cluster_activations(
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    num_neurons: int,
    num_modalities: int,
    num_experts: int,
    seed: int = 0,
    size: int = 256,
) -> np.ndarray:
    """Labels int32 [F] of one layer from batches of (h [T, F], modality rows [T]), one in memory at a time."""
    profile = CoactivationProfile(num_neurons, num_modalities, seed, size)
    for h, modality_rows in batches:
        profile.add(h, modality_rows)
    return profile.cluster(num_experts)


def check_activations(h: np.ndarray, modality_rows: np.ndarray, num_neurons: int, num_modalities: int) -> None:
    """Hold a batch to h [T, F] and rows [T] below the number of modalities. Raises InputError otherwise."""
    if h.ndim != 2 or h.shape[1] != num_neurons or modality_rows.shape != h.shape[:1]:
        got = f"h is {list(h.shape)} with modality rows {list(modality_rows.shape)}"
        raise InputError("activations", got, f"[tokens, {num_neurons}] and [tokens]", "check the network's width")
    if len(modality_rows) and modality_rows.max() >= num_modalities:
        got = f"modality row {modality_rows.max()}"
        raise InputError("activations", got, f"rows below {num_modalities}", "check the table of modalities")
    if not np.isfinite(h).all():
        raise InputError("activations", "not all numbers are finite", "finite activations", "check the checkpoint")
