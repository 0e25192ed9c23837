"""Reads what students write: tokens, the phrases of a lexicon among them, and statements.

It knows neither what a report nor what an experiment is; whoever judges one brings the words.
"""

from grader.reading.formulas import SHAPES, formulas, shapes
from grader.reading.grammar import GRAMMAR
from grader.reading.phrases import Phrases, parts
from grader.reading.sentences import sentence_ends
from grader.reading.spelling import meant
from grader.reading.statements import Statement, Subjects, keywords, leading, statements
from grader.reading.tokens import Token, fold, tokens

__all__ = [
    "GRAMMAR",
    "SHAPES",
    "Phrases",
    "Statement",
    "Subjects",
    "Token",
    "fold",
    "formulas",
    "keywords",
    "leading",
    "meant",
    "parts",
    "sentence_ends",
    "shapes",
    "statements",
    "tokens",
]
