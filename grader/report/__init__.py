"""Reads a PDF report into plain facts: page counts by two engines, lines that a reader can see, notices for a person.

The parsers run in jailed children of their own (`parse.py`); what they print is taken apart here as hostile input.
"""

from grader.report.gather import read

__all__ = ["read"]
