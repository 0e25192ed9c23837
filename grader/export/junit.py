"""JUnit's XML: one suite for each student, one case for each criterion, for systems that show test results."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from grader import feedback
from grader.export.gradescope import sentences
from grader.export.points import rounded
from grader.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.model import Grade, Language, Scored

_KIND = {
    Verdict.PARTIAL: "failure",
    Verdict.FAIL: "failure",
    Verdict.FAULT: "error",
    Verdict.REVIEW: "skipped",
    Verdict.SKIPPED: "skipped",
}
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def suites(grades: Sequence[Grade], *, language: Language) -> str:
    """The file's text."""
    root = ElementTree.Element("testsuites")
    for grade in grades:
        _suite(root, grade, language)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(root: ElementTree.Element, grade: Grade, language: Language) -> None:
    student = _legal(grade.submission.student)
    suite = ElementTree.SubElement(root, "testsuite", name=student, tests=str(len(grade.scored)))
    properties = ElementTree.SubElement(suite, "properties")
    for name in ("points", "pending", "out_of"):
        ElementTree.SubElement(properties, "property", name=name, value=rounded(getattr(grade, name)))
    counts = dict.fromkeys(("failure", "error", "skipped"), 0)
    for scored in grade.scored:
        kind = _case(suite, student, scored, language)
        if kind:
            counts[kind] += 1
    for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(counts[kind]))


def _case(suite: ElementTree.Element, student: str, scored: Scored, language: Language) -> str | None:
    case = ElementTree.SubElement(suite, "testcase", classname=student, name=_legal(scored.criterion.id))
    kind = _KIND.get(scored.finding.verdict)
    if kind:
        told = [_legal(sentence) for sentence in sentences(scored, language)]
        points = f"{rounded(scored.points)}/{rounded(scored.out_of)}: {_legal(feedback.title(scored, language))}"
        ElementTree.SubElement(case, kind, message=points).text = "\n".join(told)
    return kind


def _legal(text: str) -> str:
    """The text without what XML cannot hold."""
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
