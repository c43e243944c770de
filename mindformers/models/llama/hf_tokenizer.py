"""Our tokenizer as a `tokenizer.json` that `AutoTokenizer` opens, with the same ids for text in token form.

    "Is {|C|}{|O|} toxic?</s>"  -> "▁Is▁" {|C|} {|O|} "▁toxic?" </s>

BOS, EOS and the unknown piece cut the text first; the start of each stretch gets LLaMA's blank unless a modality's
token stands there; then modality tokens are cut out, and pieces are merged in the order of their scores.

Two differences stay. A special token written out (`<s>`, `<unk>`) is that token there, and text here. A tag
(`<molecule>CCO</molecule>`) is text there: sequences have to be in token form.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mindformers.modalities.table import Modality
from mindformers.models.llama.llama_tokenizer import LlamaTokenizer
from mindformers.tools.files import write_json
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)
_BLANK = "▁"  # SentencePiece's mark
_NORMAL, _USER_DEFINED = 1, 4  # types of pieces
_BYTE_PAIRS = 2  # type of model


def write_tokenizer(folder: str | Path, tokenizer: LlamaTokenizer, max_length: int) -> None:
    """Write `tokenizer.model`, `tokenizer_config.json` and `tokenizer.json`.

    Args:
        folder: where to.
        tokenizer: ours.
        max_length: tokens of the longest text that the model takes.

    A SentencePiece model that is no plain byte-pair model gets no `tokenizer.json`; a warning says so.
    """
    folder = Path(folder)
    tokenizer.save_pretrained(folder)
    model = _read_model(tokenizer.vocab_file)
    obstacle = _obstacle(model)
    if obstacle:
        logger.warning("no tokenizer.json: '%s' %s", tokenizer.vocab_file, obstacle)
        return
    (folder / "tokenizer.json").write_text(build_tokenizer_json(tokenizer, model), encoding="utf-8")
    write_json(folder / "tokenizer_config.json", _settings(tokenizer, max_length))


def build_tokenizer_json(tokenizer: LlamaTokenizer, model: Any) -> str:
    """The content of `tokenizer.json`.

    Args:
        tokenizer: ours.
        model: its SentencePiece `ModelProto`.
    """
    from tokenizers import AddedToken, Tokenizer, models

    vocabulary = {piece.piece: index for index, piece in enumerate(model.pieces)}
    fast = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=merges_of(model),
            unk_token=tokenizer.unk_token,
            fuse_unk=True,
            byte_fallback=model.trainer_spec.byte_fallback,
        )
    )
    fast.normalizer = _normalizer(tokenizer, model.normalizer_spec.add_dummy_prefix)
    fast.post_processor = _post_processor(tokenizer)
    fast.decoder = _decoder(tokenizer, model.normalizer_spec.add_dummy_prefix)
    special = dict.fromkeys((tokenizer.unk_token, tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token))
    fast.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    fast.add_tokens([AddedToken(token, normalized=True) for token in tokenizer.modality_vocabulary.tokens])
    return fast.to_str(pretty=False)


def merges_of(model: Any) -> list[tuple[str, str]]:
    """The pairs of pieces that may be joined, best first: SentencePiece joins the pair whose whole scores highest."""
    index = {piece.piece: i for i, piece in enumerate(model.pieces) if piece.type == _NORMAL}
    ranked: list[tuple[float, int, int, str, str]] = []
    for whole, i in index.items():
        for cut in range(1, len(whole)):
            left, right = whole[:cut], whole[cut:]
            if left in index and right in index:
                ranked.append((-model.pieces[i].score, index[left], index[right], left, right))
    return [(left, right) for *_, left, right in sorted(ranked)]


def _read_model(path: Path) -> Any:
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(path.read_bytes())
    return model


def _obstacle(model: Any) -> str:
    if model.trainer_spec.model_type != _BYTE_PAIRS:
        return "is not a byte-pair model"
    if model.normalizer_spec.precompiled_charsmap:
        return f"changes characters by '{model.normalizer_spec.name}'"
    if any(piece.type == _USER_DEFINED for piece in model.pieces):
        return "has pieces defined by its user"
    return ""


def _normalizer(tokenizer: LlamaTokenizer, has_prefix: bool) -> Any:
    from tokenizers import Regex, normalizers

    steps = [normalizers.Replace(" ", _BLANK)]
    if has_prefix:
        rows = tokenizer.modality_vocabulary.rows
        tokens = "|".join(_written(row) for row in rows)
        before_token = [normalizers.Replace(Regex(rf"\A{_BLANK}(?={tokens})"), "")] if rows else []
        steps = [normalizers.Prepend(_BLANK), *before_token, *steps]
    return normalizers.Sequence(steps)


def _written(row: Modality) -> str:
    return f"{re.escape(row.opening)}{_any_of(row)}{re.escape(row.closing)}"


def _any_of(row: Modality) -> str:
    return f"[{''.join(re.escape(character) for character in row.alphabet)}]"


def _post_processor(tokenizer: LlamaTokenizer) -> Any:
    from tokenizers import processors

    bos = f"{tokenizer.bos_token} " if tokenizer.add_bos_token else ""
    eos = f" {tokenizer.eos_token}" if tokenizer.add_eos_token else ""
    special = [(tokenizer.bos_token, tokenizer.bos_token_id), (tokenizer.eos_token, tokenizer.eos_token_id)]
    return processors.TemplateProcessing(
        single=f"{bos}$A{eos}", pair=f"{bos}$A{eos} {bos}$B{eos}", special_tokens=special
    )


def _decoder(tokenizer: LlamaTokenizer, has_prefix: bool) -> Any:
    """Sequences are printed plain, as by our own tokenizer."""
    from tokenizers import Regex, decoders

    steps: list[Any] = []
    for row in tokenizer.modality_vocabulary.rows:
        before, after = re.escape(row.opening), re.escape(row.closing)
        steps.append(decoders.Replace(Regex(rf"(?<=\A{before}{_any_of(row)}){after}\z"), ""))
        steps.append(decoders.Replace(Regex(rf"\A{before}(?={_any_of(row)}\z)"), ""))
    steps += [decoders.Replace(_BLANK, " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if has_prefix else steps)


def _settings(tokenizer: LlamaTokenizer, max_length: int) -> dict[str, Any]:
    names = ("unk_token", "bos_token", "eos_token", "pad_token", "add_bos_token", "add_eos_token")
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{name: getattr(tokenizer, name) for name in (*names, "padding_side", "modalities")},
        "model_max_length": max_length,
        "clean_up_tokenization_spaces": False,
    }
