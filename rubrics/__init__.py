"""The rubrics that ship with the grader, one folder each."""
