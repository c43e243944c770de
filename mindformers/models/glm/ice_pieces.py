"""The user's SentencePiece model (`ice_text.model`) with the tokens that ChatGLM adds behind its pieces.

    0 <unk>  2 </s>  3 <pad>  4 <n>  5 (blank) ...   [MASK] [gMASK] [sMASK] <unused_0> <sop> <eop> <ENC> <dBLOCK>
                                                     <|tab|>  <|blank_2|> ... <|blank_80|>  256 bytes

A model that lacks some of these tokens gets them in this order, so a small one made for a test is as good.
"""

from __future__ import annotations

import re
from pathlib import Path

from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file

LINE_BREAK, TAB, MOST_BLANKS = "<n>", "<|tab|>", 80
SPECIALS = ("[MASK]", "[gMASK]", "[sMASK]", "<unused_0>", "<sop>", "<eop>", "<ENC>", "<dBLOCK>")
_CONTROL, _USER_DEFINED, _BYTE = 3, 4, 6  # SentencePiece's kinds of pieces
_BLANKS = re.compile(rf" {{2,{MOST_BLANKS}}}")
_BLANK_PIECE = re.compile(r"<\|blank_(\d+)\|>")


def is_ice_model(vocab_file: str | Path) -> bool:
    """Whether a SentencePiece model has a piece for the line break, as ChatGLM's has and LLaMA's has not."""
    return any(piece.piece == LINE_BREAK for piece in _read(Path(vocab_file)).pieces)


class IcePieces:
    """Text to piece ids and back, line breaks, tabs and runs of blanks included.

    Args:
        vocab_file: the SentencePiece model.

    Raises:
        InputError: the file is missing, is no SentencePiece model, or is not ChatGLM's.
    """

    def __init__(self, vocab_file: str | Path) -> None:
        from sentencepiece import SentencePieceProcessor

        model = _read(Path(vocab_file))
        if not any(piece.piece == LINE_BREAK for piece in model.pieces):
            raise InputError(
                "tokenizer model",
                f"'{vocab_file}' has no piece {LINE_BREAK}, so it is not ChatGLM's",
                "ice_text.model",
                "pass --processor.tokenizer.vocab_file ice_text.model",
            )
        add_missing(model)
        self._processor = SentencePieceProcessor(model_proto=model.SerializeToString())

    def __len__(self) -> int:
        return self._processor.vocab_size()

    def encode(self, text: str) -> list[int]:
        """Piece ids of a text."""
        text = text.replace("\n", LINE_BREAK).replace("\t", TAB)
        return self._processor.encode(_BLANKS.sub(lambda run: f"<|blank_{len(run[0])}|>", text))

    def decode(self, ids: list[int]) -> str:
        """The text of piece ids."""
        text = self._processor.decode(ids).replace(LINE_BREAK, "\n").replace(TAB, "\t")
        return _BLANK_PIECE.sub(lambda match: " " * int(match[1]), text)

    def piece(self, index: int) -> str:
        """The piece with this id."""
        return self._processor.id_to_piece(index)

    def index(self, piece: str) -> int | None:
        """The id of a piece, or None."""
        index = self._processor.piece_to_id(piece)
        return index if self._processor.id_to_piece(index) == piece else None


def add_missing(model: object) -> None:
    """Append ChatGLM's tokens that a parsed SentencePiece model does not have yet."""
    known = {piece.piece for piece in model.pieces}
    blanks = [f"<|blank_{count}|>" for count in range(2, MOST_BLANKS + 1)]
    wanted = [(name, _CONTROL) for name in SPECIALS]
    wanted += [(name, _USER_DEFINED) for name in (TAB, *blanks)]
    wanted += [(f"<0x{value:02X}>", _BYTE) for value in range(256)]
    for name, kind in [*wanted, ("</s>", _CONTROL), ("<pad>", _CONTROL)]:
        if name not in known:
            model.pieces.add(piece=name, score=0.0, type=kind)
    model.trainer_spec.byte_fallback = True


def _read(path: Path) -> object:
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto()
    try:
        model.ParseFromString(existing_file(path, "tokenizer model").read_bytes())
        if not model.pieces:
            raise ValueError("no pieces")
    except InputError:
        raise
    except Exception as error:
        got = f"'{path}' cannot be read ({type(error).__name__})"
        raise InputError("tokenizer model", got, "a SentencePiece .model file", "check the file") from error
    return model
