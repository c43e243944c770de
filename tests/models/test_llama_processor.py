"""Prompts to a batch of ids."""

from __future__ import annotations

import mindspore as ms
import numpy as np

from mindformers import LlamaProcessor, LlamaTokenizer

TEXTS = ["The molecule is <molecule>CCO</molecule>", "x"]


def test_texts_become_one_padded_batch(tokenizer: LlamaTokenizer) -> None:
    batch = LlamaProcessor(tokenizer, return_tensors="np")(TEXTS)
    rows = [tokenizer.encode(text) for text in TEXTS]
    ids, mask = batch["input_ids"], batch["attention_mask"]
    assert ids.shape == mask.shape == (2, len(rows[0]))
    assert [row[seen == 1].tolist() for row, seen in zip(ids, mask, strict=True)] == rows


def test_one_text_is_a_batch_of_one_tensor(tokenizer: LlamaTokenizer) -> None:
    ids = LlamaProcessor(tokenizer)(TEXTS[1])["input_ids"]
    assert isinstance(ids, ms.Tensor)
    assert ids.asnumpy().tolist() == [tokenizer.encode(TEXTS[1])]


def test_a_longest_length_cuts(tokenizer: LlamaTokenizer) -> None:
    batch = LlamaProcessor(tokenizer, "np")(TEXTS, max_length=4)
    assert np.array_equal(batch["input_ids"][0], tokenizer.encode(TEXTS[0])[:4])
