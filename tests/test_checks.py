"""Each claim, from evidence to finding: what passes, what fails, and what goes to a person."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec.structs import replace

from grader.checks import CHECKS, PARTS, Case, judge
from grader.model import (
    Cell,
    CellRun,
    CellStatus,
    Change,
    Coverage,
    Divergence,
    Evidence,
    Experiment,
    Fault,
    Isolation,
    LossMatch,
    LossMistake,
    Match,
    Notebook,
    Problem,
    ReportFacts,
    Run,
    RunVerdict,
    Submission,
    Verdict,
    message,
)

SUBMISSION = Submission(student="b1", root="/", notebook="hw.ipynb", report="r.pdf")
RUN = Run(
    outcome="complete", isolation=Isolation(), cells=(CellRun(index=2, status="ok"), CellRun(index=4, status="ok"))
)
REPORT = ReportFacts(outcome="read", pages={"pdfplumber": 3, "pdfium": 3})
EVIDENCE = Evidence(submission=SUBMISSION, notebook=Notebook(), run=RUN, report=REPORT)


def _match(verdict: RunVerdict = "matches", *, cell: int = 2, loss: LossMatch | None = None) -> Match:
    divergence = Divergence(step=1, before=(0.0, 0.0), expected=(1.0, 2.0), seen=(0.5, 1.0))
    return Match(
        cell=cell,
        names=("b_history", "w_history"),
        steps=100,
        verdict=verdict,
        loss=loss or LossMatch(),
        first_divergence=divergence if verdict == "differs" else None,
        diagnosis=message("bug.sign") if verdict == "differs" else None,
    )


def _case(*matches: Match, experiments: tuple[Experiment, ...] = (), **changes: object) -> Case:
    return Case(evidence=replace(EVIDENCE, matches=matches, **changes), experiments=experiments)


def _experiment(after: str, **more: object) -> Experiment:
    return Experiment(name="lr", cell=2, before="1e-7", after=after, **more)  # type: ignore[arg-type]


# -- what no check may judge ---------------------------------------------------------------------


@pytest.mark.parametrize("name", CHECKS)
def test_a_part_that_was_not_asked_for_is_skipped(name: str) -> None:
    submission = replace(SUBMISSION, asked=("notebook",) if PARTS[name] == "report" else ("report",))

    assert judge(name, _case(submission=submission)).verdict is Verdict.SKIPPED


@pytest.mark.parametrize("name", CHECKS)
def test_a_part_that_was_not_handed_in_fails_with_that_message(name: str) -> None:
    finding = judge(name, _case(submission=replace(SUBMISSION, notebook=None, report=None)))

    assert (finding.verdict, finding.message.id) == (Verdict.FAIL, f"checks.{PARTS[name]}-missing")


@pytest.mark.parametrize("name", CHECKS)
def test_a_part_that_intake_could_not_place_goes_to_a_person(name: str) -> None:
    problem = message(f"intake.{PARTS[name]}-several", files="a, b")
    submission = replace(SUBMISSION, notebook=None, report=None, problems=(problem,))

    finding = judge(name, _case(submission=submission))

    assert (finding.verdict, finding.message) == (Verdict.REVIEW, problem)


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("stage", ["notebook", "report", "submission"])
def test_a_fault_of_ours_is_a_fault_where_it_happened_and_nowhere_else(name: str, stage: str) -> None:
    case = _case(
        _match(),
        fault=Fault(stage=stage, traceback="…"),
        run=None if stage != "report" else RUN,
        report=None if stage != "notebook" else REPORT,
    )

    finding = judge(name, case, **({"topic": "sgd"} if name == "topic-covered" else {}))

    assert (finding.verdict is Verdict.FAULT) == (stage in (PARTS[name], "submission"))


def test_a_fault_of_verification_leaves_what_ran_alone() -> None:
    case = _case(fault=Fault(stage="verify", traceback="…"))

    assert judge("notebook-runs", case).verdict is Verdict.PASS
    assert judge("updates-match", case).verdict is Verdict.FAULT
    assert judge("report-pages", case).verdict is Verdict.PASS


@pytest.mark.parametrize("name", [n for n in CHECKS if PARTS[n] == "notebook"])
def test_a_notebook_that_cannot_be_read_gets_neither_full_marks_nor_zero(name: str) -> None:
    problem = message("notebook.unreadable", why="not JSON")

    finding = judge(name, _case(notebook=None, run=None, notebook_problem=problem))

    assert (finding.verdict, finding.message) == (Verdict.REVIEW, problem)


# -- the notebook runs ---------------------------------------------------------------------------


def _runs(*statuses: CellStatus, environment: bool = False) -> Case:
    cells = tuple(
        CellRun(
            index=i, status=s, error=None if s == "ok" else "E", lacks="file" if environment and s == "error" else None
        )
        for i, s in enumerate(statuses, 1)
    )
    return _case(run=replace(RUN, cells=cells))


def test_a_notebook_whose_cells_all_run_passes() -> None:
    assert judge("notebook-runs", _runs("ok", "ok")).verdict is Verdict.PASS


@pytest.mark.parametrize("status", ["error", "timeout", "memory", "output-limit", "kernel-died"])
def test_a_cell_that_fails_costs_its_share_and_is_named(status: CellStatus) -> None:
    finding = judge("notebook-runs", _runs("ok", status, "ok", "ok"))

    assert (finding.verdict, finding.credit) == (Verdict.PARTIAL, 0.75)
    assert finding.message.id == f"runs.{status}"
    assert finding.where is not None
    assert finding.where.cell == 2


def test_what_this_machine_lacks_is_not_the_students_mistake() -> None:
    assert judge("notebook-runs", _runs("ok", "error", environment=True)).verdict is Verdict.REVIEW


def test_beside_a_mistake_what_the_machine_lacks_costs_nothing() -> None:
    failed = [CellRun(index=i, status="error", error="E", lacks="file" if i < 4 else None) for i in (2, 3, 4)]
    finding = judge("notebook-runs", _case(run=replace(RUN, cells=(CellRun(index=1, status="ok"), *failed))))

    assert (finding.verdict, finding.credit) == (Verdict.PARTIAL, 0.75)
    assert finding.where is not None
    assert finding.where.cell == 4


def test_what_the_machine_lacks_comes_with_advice() -> None:
    finding = judge("notebook-runs", _runs("ok", "error", environment=True))

    assert finding.hint == message("runs.hint-lacks-file")


def test_a_cell_that_only_misses_what_an_earlier_one_should_have_made_costs_nothing() -> None:
    failed = [CellRun(index=2, status="error", error="E"), CellRun(index=3, status="error", error="N", follows=2)]
    finding = judge("notebook-runs", _case(run=replace(RUN, cells=(CellRun(index=1, status="ok"), *failed))))

    assert finding.verdict is Verdict.PARTIAL
    assert finding.credit == pytest.approx(2 / 3)
    assert finding.where is not None
    assert finding.where.cell == 2
    assert not finding.details


def test_to_run_an_empty_cell_is_no_merit() -> None:
    blank = Notebook(cells=(Cell(index=1, kind="code", source=" \n"),))
    finding = judge("notebook-runs", _case(notebook=blank, run=replace(RUN, cells=(CellRun(index=1, status="ok"),))))

    assert (finding.verdict, finding.message.id) == (Verdict.FAIL, "runs.none")


def test_a_notebook_without_code_is_no_pass() -> None:
    finding = judge("notebook-runs", _runs())

    assert finding.verdict is Verdict.FAIL


def test_a_notebook_in_which_nothing_runs_fails() -> None:
    assert judge("notebook-runs", _runs("error", "error")).verdict is Verdict.FAIL


# -- updates and losses --------------------------------------------------------------------------


def test_runs_that_match_pass() -> None:
    assert judge("updates-match", _case(_match(), _match(cell=4))).verdict is Verdict.PASS


def test_a_run_that_differs_costs_its_share_and_says_the_first_step() -> None:
    finding = judge("updates-match", _case(_match(), _match("differs", cell=4)))

    assert (finding.verdict, finding.credit) == (Verdict.PARTIAL, 0.5)
    assert finding.hint == message("bug.sign")
    assert finding.details[0].parameters == {
        "cell": 4, "step": 1, "name": "b_history", "expected": 1.0, "seen": 0.5,
    }  # fmt: skip


def test_only_wrong_runs_fail() -> None:
    assert judge("updates-match", _case(_match("differs"))).verdict is Verdict.FAIL


@pytest.mark.parametrize("verdict", ["unexplained", "review"])
def test_a_run_that_nobody_can_name_goes_to_a_person_even_beside_good_ones(verdict: RunVerdict) -> None:
    assert judge("updates-match", _case(_match(), _match(verdict))).verdict is Verdict.REVIEW


def test_a_run_without_data_beside_a_good_one_costs_nothing() -> None:
    assert judge("updates-match", _case(_match(), _match("unverifiable"))).verdict is Verdict.PASS


def test_no_history_at_all_goes_to_a_person() -> None:
    assert judge("updates-match", _case()).verdict is Verdict.REVIEW
    assert judge("losses-match", _case()).verdict is Verdict.REVIEW


def test_the_cell_that_was_stopped_is_named_as_the_reason() -> None:
    finding = judge("updates-match", _runs("ok", "timeout", "not-run"))

    assert finding.message == message("updates.stopped", cell=2, status="timeout")


def test_fewer_runs_than_asked_for_earn_their_share() -> None:
    finding = judge("updates-match", _case(_match()), minimum=2)

    assert (finding.verdict, finding.credit) == (Verdict.PARTIAL, 0.5)


def test_losses_that_match_pass_and_those_that_differ_cost_their_share() -> None:
    good = _match(loss=LossMatch(name="losses", kind="mse", verdict="matches"))
    bad = _match(loss=LossMatch(name="losses", verdict="differs"))

    assert judge("losses-match", _case(good)).verdict is Verdict.PASS
    assert judge("losses-match", _case(good, bad)).credit == 0.5
    assert judge("losses-match", _case(bad)).verdict is Verdict.FAIL


@pytest.mark.parametrize("mistake", get_args(LossMistake))
def test_a_known_mistake_in_a_loss_is_called_by_its_name(mistake: LossMistake) -> None:
    loss = LossMatch(name="loss", kind="mse", mistake=mistake, verdict="differs")
    wrong = judge("losses-match", _case(_match(loss=loss)))
    asked = judge("losses-match", _case(_match(loss=replace(loss, verdict="unexplained"))))

    assert (wrong.message.id, wrong.hint and wrong.hint.id) == (f"losses.differ-{mistake}", f"losses.hint-{mistake}")
    assert (asked.verdict, asked.message.id) == (Verdict.REVIEW, f"losses.perhaps-{mistake}")


def test_a_loss_that_is_only_drawn_of_wrong_parameters_earns_nothing_twice() -> None:
    drawn = LossMatch(name="plot[2]", kind="sse", verdict="matches")

    assert judge("losses-match", _case(_match("differs", loss=drawn))).verdict is Verdict.SKIPPED
    assert judge("losses-match", _case(_match(loss=drawn))).verdict is Verdict.PASS


def test_a_constant_times_a_known_loss_is_asked_about_with_its_factor() -> None:
    odd = _match(loss=LossMatch(name="loss", kind="sse", factor=0.37, verdict="unexplained"))

    finding = judge("losses-match", _case(odd))

    assert (finding.verdict, finding.message.id) == (Verdict.REVIEW, "losses.multiple")
    assert finding.message.parameters["factor"] == 0.37


def test_a_loss_on_other_data_is_asked_about_by_their_names() -> None:
    other = _match(loss=LossMatch(name="loss", kind="mse", data="x_all, y_all", verdict="unexplained"))

    finding = judge("losses-match", _case(other))

    assert (finding.verdict, finding.message.id) == (Verdict.REVIEW, "losses.other-data")
    assert (finding.message.parameters["kind"], finding.message.parameters["data"]) == ("mse", "x_all, y_all")


def test_losses_that_fit_nothing_go_to_a_person() -> None:
    unknown = _match(loss=LossMatch(name="loss", verdict="unexplained"))

    finding = judge("losses-match", _case(unknown))

    assert finding.verdict is Verdict.REVIEW
    assert finding.hint == message("losses.hint-unknown")


def test_the_handed_out_runs_do_not_thin_the_students_own() -> None:
    given = replace(_match(), trace_digest="given")
    own = replace(_match("differs", cell=4), trace_digest="own")

    assert judge("updates-match", _case(given, own, base_matches=(given,))).verdict is Verdict.FAIL


@pytest.mark.parametrize("check", ["updates-match", "losses-match"])
def test_a_handed_out_run_left_as_it_was_earns_nothing_and_that_is_said(check: str) -> None:
    given = replace(_match(), trace_digest="given")
    finding = judge(check, _case(given, base_matches=(given,)))

    assert (finding.verdict, finding.message.id) == (Verdict.FAIL, "updates.handed-out")


@pytest.mark.parametrize("check", ["updates-match", "losses-match"])
def test_a_notebook_without_code_costs_no_person_a_look(check: str) -> None:
    finding = judge(check, _case(run=replace(RUN, cells=())))

    assert (finding.verdict, finding.message.id) == (Verdict.FAIL, "runs.none")


SLIP = replace(_match("differs", cell=6), slip=True)


@pytest.mark.parametrize(
    ("matches", "credit", "open"),
    [
        ((SLIP,), 0.4, 0.0),
        ((_match(), SLIP), 0.7, 0.0),
        ((_match(), _match("differs", cell=4)), 0.5, 0.0),
        ((_match(), _match(cell=4), _match("unexplained", cell=6)), 2 / 3, 1 / 3),
        ((_match(), SLIP, _match("review", cell=8)), 1.4 / 3, 1 / 3),
        ((_match("review"),), 0.0, 1.0),
    ],
)
def test_runs_share_the_credit_and_a_person_decides_the_share_of_those_that_are_open(
    matches: tuple[Match, ...], credit: float, open: float
) -> None:
    finding = judge("updates-match", _case(*matches))

    assert finding.credit == pytest.approx(credit)
    assert (finding.open if finding.verdict is Verdict.REVIEW else 0.0) == pytest.approx(open)


def test_the_share_of_a_named_mistake_is_the_rubrics() -> None:
    assert judge("updates-match", _case(SLIP), mistaken=0.0).verdict is Verdict.FAIL


def test_one_unknown_loss_of_two_leaves_its_half_to_a_person() -> None:
    good = _match(loss=LossMatch(name="a", verdict="matches"))
    unknown = _match(cell=4, loss=LossMatch(name="b", verdict="unexplained"))
    finding = judge("losses-match", _case(good, unknown))

    assert (finding.verdict, finding.credit, finding.open) == (Verdict.REVIEW, 0.5, 0.5)


def test_of_two_explanations_one_that_was_recognised_gives_half() -> None:
    made = (_experiment("1e-6", explained=True), _experiment("1e-8"))
    finding = judge("effects-explained", _case(experiments=made, own_prose=(3,)))

    assert (finding.verdict, finding.credit, finding.open) == (Verdict.REVIEW, 0.5, 0.5)


def test_where_all_that_was_changed_is_explained_no_person_need_look_for_more() -> None:
    made = (_experiment("1e-6", explained=True),)
    finding = judge("effects-explained", _case(experiments=made, own_prose=(3,)))

    assert (finding.verdict, finding.credit) == (Verdict.PARTIAL, 0.5)


def test_a_false_claim_beside_true_ones_leaves_its_own_share_open() -> None:
    said = [_experiment(value, explained=True, claim="agrees") for value in ("1e-6", "1e-8", "1e-9")]
    false = _experiment("1e-5", explained=True, claim="contradicts", quote="slower")
    finding = judge("effects-explained", _case(experiments=(*said, false)))

    assert (finding.verdict, finding.credit, finding.open) == (Verdict.REVIEW, 0.75, 0.25)


def _change(name: str, after: str, run: str = "r") -> Experiment:
    return Experiment(name=name, cell=2, before="0", after=after, run=run)


@pytest.mark.parametrize(
    ("made", "count"),
    [
        ((_change("b", "-180"), _change("w", "4")), 1),
        ((_change("b", "-180"), _change("b", "-100", "s")), 2),
        ((_change("iteration", "500"), _change("iteration", "800", "s")), 1),
        ((_change("lr", "1e-6"), _change("lr", "1e-6", "s")), 1),
        ((_change("lr", "1e-6"), _change("iteration", "500"), _change("b", "1"), _change("w", "1")), 3),
    ],
)
def test_a_start_is_one_change_and_so_are_runs_that_were_all_made_shorter(
    made: tuple[Experiment, ...], count: int
) -> None:
    finding = judge("experiments-made", _case(experiments=made), minimum=9)

    assert finding.message.parameters["count"] == count


def test_lengths_that_were_compared_are_changes_of_their_own() -> None:
    runs = [replace(_match(cell=cell), steps=steps) for cell, steps in ((2, 500), (4, 800))]
    made = (_change("iteration", "500"), _change("iteration", "800", "s"))

    assert judge("experiments-made", _case(*runs, experiments=made), minimum=2).verdict is Verdict.PASS


def test_changes_that_the_machine_could_not_run_are_not_held_against_anybody() -> None:
    cells = (CellRun(index=1, status="ok"), CellRun(index=2, status="error", error="E", lacks="package"))
    finding = judge("experiments-made", _case(run=replace(RUN, cells=cells), experiments=(_experiment("1e-6"),)))

    assert (finding.verdict, finding.credit, finding.open) == (Verdict.REVIEW, 0.5, 0.5)


def test_a_run_that_asks_a_question_is_not_said_to_fit_no_rule() -> None:
    asked = replace(_match("review"), diagnosis=message("bug.lr-differs"))

    finding = judge("updates-match", _case(asked))

    assert (finding.message.id, finding.hint) == ("updates.question", message("bug.lr-differs"))


def test_losses_that_nobody_recorded_follow_from_the_parameters() -> None:
    assert judge("losses-match", _case(_match())).verdict is Verdict.PASS


def test_a_wrong_update_is_not_counted_twice() -> None:
    assert judge("losses-match", _case(_match("differs"))).verdict is Verdict.SKIPPED


# -- experiments ---------------------------------------------------------------------------------

CHANGED = (Change(name="lr", cell=2, before="1e-7", after="1e-6"),)


def test_enough_different_changes_pass() -> None:
    case = _case(_match(), experiments=(_experiment("1e-6"), _experiment("1e-5")))

    assert judge("experiments-made", case).verdict is Verdict.PASS


def test_the_same_change_twice_is_one_experiment() -> None:
    case = _case(_match(), experiments=(_experiment("1e-6"), _experiment("1e-6")))

    assert judge("experiments-made", case).credit == 0.5


@pytest.mark.parametrize(
    ("asked", "verdict", "credit"),
    [
        ({"hyperparameters": 2}, Verdict.PASS, 1.0),
        ({"hyperparameters": 4}, Verdict.PARTIAL, 0.5),
        ({"illustrated": 1}, Verdict.PASS, 1.0),
        ({"illustrated": 2}, Verdict.REVIEW, 0.0),
        ({"minimum": 6, "hyperparameters": 3}, Verdict.PARTIAL, 0.5),
    ],
)
def test_a_rubric_may_ask_for_different_hyperparameters_and_for_plots(
    asked: dict[str, int], verdict: Verdict, credit: float
) -> None:
    shown = replace(_experiment("1e-6"), illustrated=True)
    case = _case(_match(), experiments=(shown, _experiment("1e-5"), replace(_experiment("500"), name="iteration")))

    found = judge("experiments-made", case, **asked)

    assert (found.verdict, found.credit) == (verdict, credit)


def test_the_handed_out_notebook_unchanged_fails() -> None:
    assert judge("experiments-made", _case(_match())).verdict is Verdict.FAIL


def test_changes_that_nobody_understood_go_to_a_person() -> None:
    assert judge("experiments-made", _case(_match(), changes=CHANGED)).verdict is Verdict.REVIEW
    assert judge("experiments-made", _case(changes=CHANGED)).verdict is Verdict.REVIEW


def test_a_claim_against_the_curve_goes_to_a_person_with_the_quote() -> None:
    experiment = _experiment("1e-5", effect="diverging", explained=True, claim="contradicts", quote="It is faster.")

    finding = judge("effects-explained", _case(experiments=(experiment, _experiment("1e-6", explained=True))))

    assert finding.verdict is Verdict.REVIEW
    assert finding.message.parameters["quote"] == "It is faster."


def test_explanations_pass_and_their_absence_fails_only_where_there_is_no_text() -> None:
    explained = tuple(_experiment(after, explained=True) for after in ("1e-6", "1e-5"))

    assert judge("effects-explained", _case(experiments=explained)).verdict is Verdict.PASS
    assert judge("effects-explained", _case(experiments=explained[:1])).verdict is Verdict.PARTIAL
    assert judge("effects-explained", _case()).verdict is Verdict.FAIL
    assert judge("effects-explained", _case(own_prose=(3,))).verdict is Verdict.REVIEW


# -- the report ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        ("read", Verdict.PASS),
        ("not-a-pdf", Verdict.FAIL),
        ("encrypted", Verdict.FAIL),
        ("unreadable", Verdict.REVIEW),
        ("too-large", Verdict.REVIEW),
        ("timeout", Verdict.REVIEW),
        ("crashed", Verdict.REVIEW),
    ],
    ids=lambda value: str(value),
)
def test_only_what_is_no_readable_pdf_by_its_nature_fails(outcome: str, verdict: Verdict) -> None:
    report = ReportFacts(outcome=outcome)  # type: ignore[arg-type]

    assert judge("report-readable", _case(report=report)).verdict is verdict


@pytest.mark.parametrize(
    ("pages", "verdict"),
    [
        ({"pdfplumber": 3, "pdfium": 3}, Verdict.PASS),
        ({"pdfplumber": 4, "pdfium": 4}, Verdict.FAIL),
        ({"pdfplumber": 3, "pdfium": 4}, Verdict.REVIEW),
        ({"pdfplumber": 0, "pdfium": 0}, Verdict.REVIEW),
        ({"pdfplumber": 0, "pdfium": 2}, Verdict.REVIEW),
        ({"pdfplumber": None, "pdfium": 9}, Verdict.REVIEW),
        ({"pdfium": 2}, Verdict.REVIEW),
        ({}, Verdict.REVIEW),
    ],
    ids=str,
)
def test_pages_are_judged_only_where_two_engines_agree(pages: dict[str, int | None], verdict: Verdict) -> None:
    finding = judge("report-pages", _case(report=replace(REPORT, pages=pages)), limit=3)

    assert finding.verdict is verdict


@pytest.mark.parametrize("notice", ["large-page", "small-text"])
def test_pages_that_hold_more_than_a_page_go_to_a_person(notice: str) -> None:
    report = replace(REPORT, problems=(Problem(id=notice, page=1, text="A0"),))

    assert judge("report-pages", _case(report=report), limit=3).verdict is Verdict.REVIEW
    assert judge("report-pages", _case(report=report), limit=2).verdict is Verdict.FAIL


@pytest.mark.parametrize("notice", ["xfa-form", "portfolio"])
def test_what_no_page_shows_goes_to_a_person_who_is_told_how_to_mend_it(notice: str) -> None:
    case = _case(report=replace(REPORT, problems=(Problem(id=notice),)))

    readable = judge("report-readable", case)

    assert (readable.verdict, readable.message.id) == (Verdict.REVIEW, f"report.{notice}")
    assert readable.hint is not None
    assert judge("report-pages", case, limit=3).verdict is Verdict.REVIEW


@pytest.mark.parametrize(
    ("pages", "empty", "verdict"),
    [(4, (4,), Verdict.REVIEW), (5, (4,), Verdict.FAIL), (4, (), Verdict.FAIL), (3, (3,), Verdict.PASS)],
)
def test_an_empty_page_costs_no_points_before_a_person_has_looked(
    pages: int, empty: tuple[int, ...], verdict: Verdict
) -> None:
    report = replace(
        REPORT,
        pages={"pdfium": pages, "pdfplumber": pages},
        problems=tuple(Problem(id="blank-page", page=page) for page in empty),
    )

    assert judge("report-pages", _case(report=report), limit=3).verdict is verdict


@pytest.mark.parametrize(
    ("thin", "verdict"), [(None, Verdict.REVIEW), (0.5, Verdict.PARTIAL), (0.0, Verdict.FAIL), (1.0, Verdict.PASS)]
)
def test_a_rubric_may_say_what_a_thin_introduction_gets(thin: float | None, verdict: Verdict) -> None:
    case = Case(evidence=EVIDENCE, coverage=(Coverage(topic="sgd", status="thin"),))
    unsure = Case(evidence=EVIDENCE, coverage=(Coverage(topic="sgd", status="thin", certain=False),))

    finding = judge("topic-covered", case, topic="sgd", thin=thin)

    assert (finding.verdict, finding.credit) == (verdict, thin or 0.0)
    assert judge("topic-covered", unsure, topic="sgd", thin=thin).verdict is Verdict.REVIEW


def test_a_topic_may_stand_where_nobody_could_read() -> None:
    case = Case(evidence=EVIDENCE, coverage=(Coverage(topic="sgd", status="missing", certain=False),))

    assert judge("topic-covered", case, topic="sgd").verdict is Verdict.REVIEW


@pytest.mark.parametrize("status", ["covered", "thin", "mentioned", "missing", "wrong"])
def test_what_text_recognition_says_of_a_topic_decides_nothing(status: str) -> None:
    coverage = Coverage(topic="sgd", status=status)  # type: ignore[arg-type]
    scan = replace(EVIDENCE, report=replace(REPORT, outcome="unreadable"))

    finding = judge("topic-covered", Case(evidence=scan, coverage=(coverage,)), topic="sgd")

    assert (finding.verdict, finding.credit, finding.message.id) == (Verdict.REVIEW, 0.0, "topic.recognised")


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("covered", Verdict.PASS),
        ("thin", Verdict.REVIEW),
        ("mentioned", Verdict.REVIEW),
        ("wrong", Verdict.REVIEW),
        ("missing", Verdict.FAIL),
    ],
)
def test_a_topic_fails_only_where_it_is_missing_from_a_readable_report(status: str, verdict: Verdict) -> None:
    coverage = Coverage(topic="sgd", status=status)  # type: ignore[arg-type]
    case = Case(evidence=EVIDENCE, coverage=(coverage,))

    assert judge("topic-covered", case, topic="sgd").verdict is verdict
    assert judge("topic-covered", case, topic="adagrad").verdict is Verdict.REVIEW
