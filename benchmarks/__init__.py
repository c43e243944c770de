"""Speed, measured side by side: only ratios within one run mean something."""

import mindformers  # noqa: F401 - before MindSpore, so that idle OpenMP threads sleep, as in every run of the product
