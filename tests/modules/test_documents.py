"""Documents of a packed record: found, and kept from each other."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from mindformers.core.loss import CausalLoss, NextToken
from mindformers.modules.documents import Documents
from mindformers.modules.mask import CausalMask
from tests.models.tiny import logits_of, tiny_net

BOS, EOS, MOLECULE = 1, 2, 33
FIRST = [BOS, 5, 9, MOLECULE, MOLECULE + 4, EOS]
SECOND = [BOS, 7, EOS, 8, EOS]  # two rounds of a conversation: EOS is not the end of a document
THIRD = [BOS, MOLECULE + 1, 11, 6]
ROW = [*FIRST, *SECOND, *THIRD, 0]


def test_a_document_begins_at_bos() -> None:
    assert Documents(BOS)(Tensor([ROW], ms.int32)).asnumpy().tolist() == [[1] * 6 + [2] * 5 + [3] * 5]
    cut = [4, EOS, *THIRD]  # a record that begins inside a document
    assert Documents(BOS)(Tensor([cut], ms.int32)).asnumpy().tolist() == [[0, 0, 1, 1, 1, 1]]


def test_a_document_may_end_at_a_token_of_its_own() -> None:
    ids = [[4, 3, 5, 6, 3, 7], [3, 3, BOS, 4, 3, BOS]]
    found = Documents(BOS, 3)(Tensor(ids, ms.int32)).asnumpy().tolist()
    assert found == [[0, 0, 1, 1, 1, 2], [0, 1, 2, 2, 2, 3]]


def test_a_query_sees_its_own_document() -> None:
    mask = CausalMask(8, pad_token_id=0)(Tensor([[1, 5, 1, 6, 7]], ms.int32), Tensor([[1, 1, 2, 2, 2]], ms.int32))
    rows = ["".join("x" if seen else "." for seen in row) for row in mask.asnumpy()[0, 0]]
    assert rows == ["x....", "xx...", "..x..", "..xx.", "..xxx"]


@pytest.fixture(scope="module")
def net() -> nn.Cell:
    ms.set_context(mode=ms.GRAPH_MODE)
    return tiny_net(3)


def test_a_document_in_a_row_says_what_it_says_alone(net: nn.Cell) -> None:
    ids = np.array([ROW], np.int32)
    packed = net(Tensor(ids), Documents(BOS)(Tensor(ids))).asnumpy()[0]
    mixed = logits_of(net, ids)[0]
    start = 0
    for document in (FIRST, SECOND, THIRD):
        alone = logits_of(net, [document + [0] * (len(ROW) - len(document))])[0]
        end = start + len(document)
        np.testing.assert_allclose(packed[start:end], alone[: len(document)], atol=1e-4)
        assert start == 0 or np.abs(mixed[start:end] - alone[: len(document)]).max() > 0.1
        start = end


class LossOfSecond(nn.Cell):
    """The loss of the second document's tokens."""

    def __init__(self, net: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.loss = CausalLoss(net, -100, Documents(BOS))

    def construct(self, ids: Tensor, labels: Tensor) -> Tensor:
        return self.loss(ids, labels)[0]


def test_no_gradient_reaches_another_document(net: nn.Cell) -> None:
    """Every token stands in one document only, so rows of the embedding tell the documents apart."""
    first, second, third = [BOS, 5, 9, MOLECULE, MOLECULE + 4, EOS], [BOS, 7, 8, 10], [BOS, 11, MOLECULE + 1]
    ids = np.array([[*first, *second, *third]], np.int32)
    labels = np.full_like(ids, -100)
    labels[0, 6:10] = second
    weight = net.model.tok_embeddings.embedding_weight
    gradient = ops.grad(LossOfSecond(net), None, weight)(Tensor(ids), Tensor(labels)).asnumpy()
    assert (gradient[[5, 9, MOLECULE, MOLECULE + 4, EOS, 11, MOLECULE + 1]] == 0).all()
    assert (np.abs(gradient[[BOS, 7, 8]]).max(1) > 0).all()


class Echo(nn.Cell):
    """Logits that are the ids, and the documents it was given."""

    def construct(self, ids: Tensor, documents: Tensor) -> Tensor:
        return ops.cast(ops.stack((ids, documents), -1), ms.float32)


def test_the_first_token_of_a_document_is_not_asked_for() -> None:
    ids = Tensor([[*THIRD, *SECOND]], ms.int32)
    said, labels = NextToken(Echo(), -100, Documents(BOS))(ids, ids)
    assert said.asnumpy().T.astype(int).tolist() == [[*THIRD, *SECOND[:-1]], [1] * 4 + [2] * 4]
    assert labels.asnumpy().tolist() == [*THIRD[1:], -100, *SECOND[1:]]
