"""Show what was found: pages for students, an overview for teachers, and every sentence in English and 繁體中文.

Showing computes no points: it reads a finished `Grade` and the `Evidence` under it.
"""

from grader.feedback.catalogue import columns, cut, number, safe, text
from grader.feedback.overview import rows, summary
from grader.feedback.render import render, title, titled

__all__ = ["columns", "cut", "number", "render", "rows", "safe", "summary", "text", "title", "titled"]
