"""How much is done for one notebook, however many runs it holds, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from grader import verify
from grader.model import Declared, Match, Names, Series
from grader.verify import judging
from reference import line_fit, optimizers


def right(number: int = 0) -> Any:
    return optimizers.descend(optimizers.sgd, line_fit.gradient, np.array([-120.0 - number, -4.0]), steps=30, lr=1e-7)


def made_up(number: int) -> Any:
    return np.cumsum(np.random.default_rng(number).normal(size=(2, 30)), axis=1)


def judged(*paths: Any) -> tuple[Match, ...]:
    """What is said of runs that one cell keeps side by side."""
    series = [
        Series(cell=2, name="x_data", values=np.array(line_fit.X_DATA)),
        Series(cell=2, name="y_data", values=np.array(line_fit.Y_DATA)),
    ]
    for number, theta in enumerate(paths):
        for name, values in zip(("b_history", "w_history"), theta, strict=True):
            series.append(Series(cell=4, name=f"runs[{number}].{name}", values=values))
    return verify.runs(series, declared=[Declared(name="lr", cell=4, value=1e-7)], names=Names())


def test_right_runs_match_however_many_stand_beside_them() -> None:
    found = judged(*map(right, range(60)))

    assert [match.verdict for match in found] == ["matches"] * 60


def test_a_right_run_matches_after_as_many_wrong_ones_as_are_looked_into() -> None:
    found = judged(*map(made_up, range(judging.MOST_TRIED + 3)), right())

    assert [match.verdict for match in found[:-1]] == ["unexplained"] * judging.MOST_TRIED + ["review"] * 3
    assert {match.diagnosis.id for match in found[-4:-1] if match.diagnosis} == {"verify.not-tried"}
    assert found[-1].verdict == "matches"


def test_runs_that_are_too_many_to_judge_are_counted_and_go_to_a_person(monkeypatch: Any) -> None:
    monkeypatch.setattr(judging, "MOST_RUNS", 5)

    found = judged(*map(right, range(8)))

    assert [match.verdict for match in found[5:]] == ["review"]
    assert found[5].diagnosis is not None
    assert found[5].diagnosis.parameters == {"count": 3, "judged": 5}
