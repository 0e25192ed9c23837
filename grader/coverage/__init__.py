"""Judges whether a report introduces each topic, and keeps the sentence and place that decided.

The lexicon (`topics.toml`) is data: word groups, and for each topic its names, the concepts as combinations of groups,
formulas, and questions about what is often misunderstood. The rules here are the same for every topic:

* a sentence belongs to the topic of its section and to the one that its paragraph begins with,
  else to the one it names, else to the one named last;
* a sentence that names three topics is a list and counts for none, nor do the keywords of a row;
* after the references nothing counts;
* missing is not certain where the mechanism is told without a name: a heading may be a picture, or misspelled;
* a concept counts where it is asserted of the topic: not denied, supposed, somebody else's or another method's;
* wrong = the mechanism is denied or turned round, or another method's: never covered, and a question is asked;
* covered = the mechanism and what it is good or bad for, or two other concepts, at any length; else a person looks.
"""

from grader.coverage.judging import UNREAD, coverage
from grader.coverage.lexicon import Topics, topics

__all__ = ["UNREAD", "Topics", "coverage", "topics"]
