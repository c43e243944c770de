"""Evaluation: a prediction file -> metrics -> one table on screen and one JSON file. Imports no MindSpore.

python -m mindformers.evaluation --task caption --predictions predictions.tsv --output metrics.json
"""

from mindformers.evaluation.baseline import most_frequent_caption, read_answers
from mindformers.evaluation.predictions import PredictionTable, read_predictions
from mindformers.evaluation.report import Report
from mindformers.evaluation.scoring import evaluate

__all__ = ["PredictionTable", "Report", "evaluate", "most_frequent_caption", "read_answers", "read_predictions"]
