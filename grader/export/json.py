"""One grade as the plain values of the contract `grader/grade/1`; NaN and infinities are strings."""

from __future__ import annotations

import math
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec

from grader import feedback
from grader.decisions import net
from grader.model import plain

if TYPE_CHECKING:
    from grader.model import (
        Coverage,
        Decided,
        Evidence,
        Experiment,
        Grade,
        Language,
        LossMatch,
        Match,
        Message,
        ReportFacts,
        Scored,
        Snippet,
    )

SCHEMA = "grader/grade/1"


def grade_json(grade: Grade, evidence: Evidence, *, language: Language) -> dict[str, Any]:
    """Everything a program may want to know about one graded submission; sentences are in `language`."""
    submission, isolation = grade.submission, evidence.isolation
    value = {
        "schema": SCHEMA,
        "grader": _version(),
        "submission": {
            "student": submission.student,
            "notebook": submission.notebook,
            "report": submission.report,
            "digest": submission.digest,
            "origin": submission.origin,
            "person": submission.person,
            "received": submission.received,
            "lateness": submission.lateness,
        },
        "rubric": {"title": grade.rubric.title, "digest": grade.rubric.digest},
        "isolation": {"level": isolation.level, "network": isolation.network, "memory": isolation.memory},
        "points": grade.points,
        "net": net(grade),
        "pending": grade.pending,
        "out_of": grade.out_of,
        "needs_review": grade.needs_review,
        "findings": [_finding(scored, language) for scored in grade.scored],
        "cells": [
            {"index": cell.index, "status": cell.status, "seconds": round(cell.seconds, 3), "error": cell.error}
            for cell in (evidence.run.cells if evidence.run else ())
        ],
        "runs": [_run(match, language) for match in evidence.matches],
        "experiments": [_experiment(experiment) for experiment in grade.experiments],
        "report": _report(evidence.report, grade),
        "fault": evidence.fault,
        "seconds": round(evidence.seconds, 3),
    }
    plain_value: dict[str, Any] = plain(value)
    return plain_value


def grade_line(grade: Grade, evidence: Evidence, *, language: Language) -> bytes:
    """The same as one line of JSON."""
    return msgspec.json.encode(grade_json(grade, evidence, language=language)) + b"\n"


@cache
def _version() -> str:
    """The version of the grader; asked for once, since a class has thousands of lines."""
    return version("descent-grader")


def _finding(scored: Scored, language: Language) -> dict[str, Any]:
    finding = scored.finding
    return {
        "id": scored.criterion.id,
        "check": finding.check,
        "verdict": finding.verdict.value,
        "points": scored.points,
        "pending": scored.pending,
        "out_of": scored.out_of,
        "summary": feedback.text(finding.message, language),
        "hint": _text(finding.hint, language),
        "where": _given(plain(finding.where)) if finding.where else None,
        "details": [feedback.text(detail, language) for detail in finding.details],
        "decision": _decision(scored.decided) if scored.decided else None,
    }


def _decision(decided: Decided) -> dict[str, Any]:
    """What a person decided, on which automatic result, and what that is by now."""
    decision = decided.decision
    return {
        "points": decision.points,
        "share": decision.share,
        "comment": decision.comment,
        "note": decision.note,
        "by": decision.by,
        "at": decision.at,
        "on": decision.basis,
        "automatic": decided.automatic,
        "stale": decided.stale,
    }


def _run(match: Match, language: Language) -> dict[str, Any]:
    return {
        "cell": match.cell,
        "steps": match.steps,
        "parameters": match.names,
        "rule": match.rule,
        "convention": match.convention,
        "consistent_with": match.consistent_with,
        "hyperparameters": match.hyperparameters,
        "declared": match.declared,
        "verdict": match.verdict,
        "max_residual": match.max_residual,
        "informative_steps": match.informative_steps,
        "first_divergence": match.first_divergence,
        "diagnosis": match.diagnosis.id if match.diagnosis else None,
        "explanation": _text(match.diagnosis, language),
        "loss": _loss(match.loss),
        "effect": match.effect,
        "final_loss": match.final_loss,
    }


def _loss(loss: LossMatch) -> dict[str, Any]:
    return {
        "name": loss.name,
        "kind": loss.kind,
        "manner": loss.manner or None,
        "mistake": loss.mistake,
        "verdict": loss.verdict,
        "at": loss.at,
    }


def _experiment(experiment: Experiment) -> dict[str, Any]:
    return {
        "name": experiment.name,
        "cell": experiment.cell,
        "before": _number(experiment.before),
        "after": _number(experiment.after),
        "effect": experiment.effect,
        "illustrated": experiment.illustrated,
        "explained": experiment.explained,
        "claim": experiment.claim,
    }


def _report(report: ReportFacts | None, grade: Grade) -> dict[str, Any] | None:
    if report is None:
        return None
    counts = set(report.pages.values())
    return {
        "pages": counts.pop() if len(counts) == 1 else None,  # two engines that disagree leave it open
        "counts": report.pages,
        "languages": report.languages,
        "readable": report.outcome == "read" and bool(report.lines),
        "outcome": report.outcome,
        "recognised": bool(report.recognised),
        "topics": {topic.topic: _topic(topic) for topic in grade.coverage},
        "shared": [_place(snippet) | {"source": snippet.concept} for snippet in grade.shared],
        "problems": [{"id": problem.id, "page": problem.page, "text": problem.text} for problem in report.problems],
    }


def _topic(topic: Coverage) -> dict[str, Any]:
    return {"status": topic.status, "evidence": [_place(snippet) for snippet in topic.evidence]}


def _place(snippet: Snippet) -> dict[str, Any]:
    return {"page": snippet.page, "bbox": snippet.bbox, "text": snippet.text}


def _number(source: str | None) -> str | float | int | None:
    """A value as the notebook writes it: a number where it is one, else its source."""
    if source is None:
        return None
    for kind in (int, float):
        try:
            number = kind(source)
        except ValueError:
            continue
        return number if math.isfinite(number) else source
    return source


def _text(message: Message | None, language: Language) -> str | None:
    return feedback.text(message, language) if message else None


def _given(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value is not None}
