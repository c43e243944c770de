"""The baseline that knows no language: answer with the caption of the most similar training molecule.

python -m mindformers.evaluation.nearest --train TRAIN --questions TEST.tsv --output predictions.tsv
"""
