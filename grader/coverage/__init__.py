"""Judges whether a report introduces each topic, and keeps the sentence and place that decided.

The lexicon (`topics.toml`) is data: word groups, and for each topic its names, the concepts as combinations of groups,
formulas, and questions about what is often misunderstood. The rules here are the same for every topic:

* a sentence belongs to the topic of its section and to the one that its paragraph begins with,
  else to the one it names, else to the one named last;
* a sentence that names three topics is a list and counts for none; of one that strings keywords together, clauses do;
* after the references nothing counts;
* missing is not certain where the mechanism is told without a name: a heading may be a picture, or misspelled;
* covered = the mechanism, at least two other concepts, and enough words; anything less is for a person.
"""

from grader.coverage.judging import UNREAD, coverage
from grader.coverage.lexicon import Topics, topics

__all__ = ["UNREAD", "Topics", "coverage", "topics"]
