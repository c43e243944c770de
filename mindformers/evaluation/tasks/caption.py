"""Molecule captioning: a SMILES in, a description out."""

from mindformers.evaluation.metrics.bleu import WordBleu
from mindformers.evaluation.metrics.meteor import Meteor
from mindformers.evaluation.metrics.rouge import Rouge
from mindformers.evaluation.tasks.task import Task, register_task


@register_task
class Caption(Task):
    """Captions against the true description."""

    name = "caption"
    input_column = "SMILES"
    answer_columns = ("ground truth", "description")
    metrics = (WordBleu, Rouge, Meteor)
    uses_words = True
