"""The base SentencePiece model, with its leading blank taken in hand.

LLaMA's model puts a blank in front of every text that it is given. In a text that is cut by molecules only the first
stretch may get one, so the normaliser's own prefix is switched off here and the caller says where one belongs.
"""

from __future__ import annotations

from pathlib import Path

from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file


class TextPieces:
    """Text to piece ids and back.

    Args:
        vocab_file: a SentencePiece `.model` file.

    Raises:
        InputError: the file is missing, or is no SentencePiece model.
    """

    def __init__(self, vocab_file: str | Path) -> None:
        from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2

        path = existing_file(vocab_file, "tokenizer model")
        model = sentencepiece_model_pb2.ModelProto()
        try:
            model.ParseFromString(path.read_bytes())
            self.prefix = " " if model.normalizer_spec.add_dummy_prefix else ""
            model.normalizer_spec.add_dummy_prefix = False
            model.normalizer_spec.remove_extra_whitespaces = False
            self._processor = SentencePieceProcessor(model_proto=model.SerializeToString())
        except Exception as error:
            raise InputError(
                "tokenizer model",
                f"'{path}' cannot be read ({type(error).__name__})",
                "a SentencePiece .model file",
                "check the file",
            ) from error

    def __len__(self) -> int:
        return self._processor.vocab_size()

    def encode(self, text: str, is_first: bool) -> list[int]:
        """Piece ids of a text; `is_first` puts the model's blank in front."""
        return self._processor.encode(self.prefix + text if is_first else text)

    def decode(self, ids: list[int], is_first: bool) -> str:
        """The text of piece ids; `is_first` takes the blank in front away again."""
        text = self._processor.decode(ids)
        return text[1:] if is_first and self.prefix and text.startswith(" ") else text

    def piece(self, index: int) -> str:
        """The piece with this id, with SentencePiece's mark for a blank."""
        return self._processor.id_to_piece(index)

    def index(self, piece: str) -> int | None:
        """The id of a piece, or None."""
        index = self._processor.piece_to_id(piece)
        return index if self._processor.id_to_piece(index) == piece else None
