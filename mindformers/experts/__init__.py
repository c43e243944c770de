"""Experts made from a pretrained network: weights or activations to balanced groups of neurons. NumPy only."""

from mindformers.experts.centres import expert_centres
from mindformers.experts.coactivation import CoactivationProfile, cluster_activations
from mindformers.experts.files import Experts, read_experts, write_experts
from mindformers.experts.grouping import apply_order, invert_order, neuron_order
from mindformers.experts.kmeans import cluster_neurons
from mindformers.experts.labels import check_labels, random_labels
from mindformers.experts.patterns import read_patterns, read_published
from mindformers.experts.report import layer_report, table_of

__all__ = [
    "CoactivationProfile",
    "Experts",
    "apply_order",
    "check_labels",
    "cluster_activations",
    "cluster_neurons",
    "expert_centres",
    "invert_order",
    "layer_report",
    "neuron_order",
    "random_labels",
    "read_experts",
    "read_patterns",
    "read_published",
    "table_of",
    "write_experts",
]
