"""L+M-24 (Language + Molecules 2024): from its published files to the training layout of SciMind."""

from mindformers.dataset.lpm24.captions import caption_of
from mindformers.dataset.lpm24.prepare import Options, prepare

__all__ = ["Options", "caption_of", "prepare"]
