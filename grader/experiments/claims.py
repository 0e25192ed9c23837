"""Whether what the student writes about a change agrees with what was measured.

A wrong "contradicts" would accuse a student who is right, so it needs everything at once: a sentence in plain words,
without condition, negation or phases, about this very value or this direction, one effect in the clause, and a
measurement that is clear against every run it may be compared with. Whatever is less is "not-judged".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from grader.experiments import words
from grader.experiments.measure import CLEARLY, FASTER, SLOWER, Comparison, comparison
from grader.experiments.trials import Trial, close, number
from grader.experiments.words import Said
from grader.model import Claim, Match, Prose

LONGEST_QUOTE = 300
MOST_STATEMENTS = 100  # about one change; judging stays quick whatever is handed in
MOST_SENTENCES, MOST_CHARACTERS = 3_000, 200_000  # of all prose
MOST_COMPARED = 20
CLEAR_NUMBER = 1000  # smaller whole numbers may count anything
SMALL_NUMBER = 1e-4
OPPOSITE: dict[Said, Said] = {"faster": "slower", "slower": "faster", "closer": "farther", "farther": "closer"}


class Statement(NamedTuple):
    """A sentence, and with it the context that names what it speaks of.

    `named` is the cell of that context: the sentence's own, an earlier one, or 0 where nothing was named yet.
    """

    cell: int
    line: int
    sentence: str
    subject: str
    named: int


class Explanation(NamedTuple):
    """Whether a change is explained, how the explanation stands to the measurement, and the sentence that decided."""

    explained: bool
    claim: Claim
    quote: str


def statements(prose: Sequence[Prose]) -> tuple[Statement, ...]:
    """Cut prose into sentences; one that names no hyperparameter speaks of the last one named in its text.

    The text before counts as well, since a heading often stands before the code and the result behind it.
    """
    found: list[Statement] = []
    context = before = ""
    cell = named = 0
    for line, sentences in _within_reason(prose):
        if line.cell != cell:
            context, before, cell = "", context or before, line.cell
        if line.kind == "comment":
            context = ""
        for sentence in sentences:
            if _named(words.apart(sentence)[0]):
                context, named = sentence, line.cell
                found.append(Statement(line.cell, line.line, sentence, sentence, line.cell))
                continue
            spoken_of = context or (before if line.kind == "text" else "")
            subject = f"{spoken_of} {sentence}" if spoken_of else sentence
            found.append(Statement(line.cell, line.line, sentence, subject, named if spoken_of else 0))
    return tuple(found)


def _within_reason(prose: Sequence[Prose]) -> Iterator[tuple[Prose, tuple[str, ...]]]:
    """Cut each line into sentences, as far as judging stays quick: what is beyond is more than anybody reads."""
    sentences = characters = 0
    for line in prose:
        cut = words.sentences(line.text)
        sentences, characters = sentences + len(cut), characters + len(line.text)
        if sentences > MOST_SENTENCES or characters > MOST_CHARACTERS:
            return
        yield line, cut


def _named(sentence: str) -> bool:
    """Say whether a sentence names what may be changed; a number as small as a learning rate does, too."""
    text = words.MEASURE.sub(" ", sentence)
    patterns = (*words.NAMES.values(), *words.RULES.values())
    return any(pattern.search(text) for pattern in patterns) or any(0 < v <= SMALL_NUMBER for v in words.values(text))


def explanation(
    trial: Trial,
    near: Sequence[Statement],
    *,
    trials: Sequence[Trial],
    beside: Sequence[Trial],
    others: Sequence[Match],
) -> Explanation:
    """Judge the sentences near a change among all `trials`; `others` are the runs that may be compared with it."""
    values = {number(value) for t in trials if t.name == trial.name for value in (t.before, t.after)}
    known = frozenset(value for value in values if value is not None)
    near = [_addressed(trial, each, trials, beside) for each in near[:MOST_STATEMENTS]]
    about = [each for each in near if _is_about(trial, each, known)]
    if not about:
        return Explanation(False, "none", "")
    compared = _comparisons(trial, others)
    verdicts = [(_claim(trial, each, beside, compared), each.sentence) for each in about]
    claim = _together({claim for claim, _ in verdicts})
    quote = next((sentence for c, sentence in verdicts if c == claim), verdicts[0][1])
    return Explanation(True, claim, quote[:LONGEST_QUOTE])


def _together(claims: set[Claim]) -> Claim:
    """Sentences that speak for and against leave it open."""
    decided = claims - {"not-judged", "none"}
    return decided.pop() if len(decided) == 1 else "not-judged"


# -- what a sentence is about ------------------------------------------------------------------------


def _addressed(trial: Trial, statement: Statement, trials: Sequence[Trial], beside: Sequence[Trial]) -> Statement:
    """Name the hyperparameter where a sentence leaves it out: by its value, or as the one thing that was changed."""
    if _names(trial, statement.subject) or trial.name == "optimizer":
        return statement
    alone = {t.name for t in beside} == {trial.name} and statement.cell >= trial.cell
    if _is_named_by_value(trial, statement.subject, trials):
        return statement._replace(subject=f"{_SPOKEN.get(trial.name, trial.name)}{_GAP}{statement.subject}")
    if alone and (statement.named <= trial.cell or _only_its_rule(trial, statement.subject)):
        return statement._replace(subject=f"{_SPOKEN.get(trial.name, trial.name)}{_GAP}{statement.sentence}")
    return statement


def _only_its_rule(trial: Trial, text: str) -> bool:
    """Say whether a text names the update rule of the run, and nothing that may be changed: "Adagrad diverges"."""
    spoken = words.MEASURE.sub(" ", words.apart(text)[0])
    rules = [name for name, pattern in words.RULES.items() if pattern.search(spoken)]
    changed = any(pattern.search(spoken) for name, pattern in words.NAMES.items() if name not in rules)
    return trial.run is not None and rules == [trial.run.rule] and not changed and not words.values(spoken)


_SPOKEN = {"b": "initial b", "w": "initial w"}
_GAP = " " * 20  # so wide that no "larger" beside it is taken for the hyperparameter's


def _is_named_by_value(trial: Trial, text: str, trials: Sequence[Trial]) -> bool:
    """Say whether a text has the value, which is of such a size that it can be nothing else."""
    value = number(trial.after)
    if value is None or trial.name in ("b", "w") or (value.is_integer() and abs(value) < CLEAR_NUMBER):
        return False
    rivals = {t.name for t in trials if close(number(t.after), value) or close(number(t.before), value)}
    return rivals == {trial.name} and _has_value(trial, words.apart(text)[0])


def _is_about(trial: Trial, statement: Statement, known: frozenset[float]) -> bool:
    """Say whether a sentence names an effect and the hyperparameter, and no other of its known values alone.

    Values that something is compared with do not count; a direction, "the larger learning rate", outweighs the old one.
    """
    says = any(words.effects(clause) for clause in words.clauses(statement.sentence))
    if not says or words.question(statement.sentence):
        return False
    if not _names(trial, statement.subject) or _other_rule(trial, statement.subject):
        return False
    spoken, _ = words.apart(statement.subject)
    said = words.values(spoken)
    named = [value for value in known if any(close(value, s) for s in said)]
    if not named or _has_value(trial, statement.subject):
        return True
    only_before = all(close(number(trial.before), value) for value in named)
    return only_before and words.direction(spoken, trial.name) == trial.direction != 0


def _names(trial: Trial, text: str) -> bool:
    if trial.name == "optimizer":
        pattern = words.RULES.get(trial.after or "")
        return pattern is not None and pattern.search(text) is not None
    letter = words.LETTERS.get(trial.name)
    if letter is not None and letter.search(text) and _has_value(trial, text):
        return True
    pattern = words.NAMES.get(trial.name)
    return pattern is not None and pattern.search(text) is not None


def _other_rule(trial: Trial, text: str) -> bool:
    """Say whether a sentence speaks of another optimizer only."""
    rule = trial.run.rule if trial.run else None
    subject, _ = words.apart(text)
    named = {name for name, pattern in words.RULES.items() if pattern.search(subject)} - {"gd"}
    if trial.name == "optimizer" or rule is None or not named or trial.name in ("momentum", "rho"):
        return False
    return rule not in named


# -- what it says, against what was measured -----------------------------------------------------------


def _claim(trial: Trial, statement: Statement, trials: Sequence[Trial], comparisons: tuple[Comparison, ...]) -> Claim:
    if trial.run is None or trial.run.effect is None or trial.name == "data":
        return "not-judged"
    return _together(set(_answers(trial, statement, trials, comparisons)))


def _comparisons(trial: Trial, others: Sequence[Match]) -> tuple[Comparison, ...]:
    """Compare the run with its reference first, then with the runs of the same rule that may be meant instead."""
    run = trial.run
    if run is None:
        return ()
    alike = [o for o in others if o is not run and o.rule == run.rule]
    unique = {id(other): other for other in (*([trial.reference] if trial.reference else []), *alike)}
    return tuple(comparison(run, other) for other in list(unique.values())[:MOST_COMPARED])


def _answers(
    trial: Trial, statement: Statement, trials: Sequence[Trial], comparisons: tuple[Comparison, ...]
) -> Iterator[Claim]:
    """Judge clause by clause; a clause without a subject of its own inherits the one before it."""
    subject = statement.subject if statement.subject != statement.sentence else ""
    for clause in words.clauses(statement.sentence):
        if _turns(trial, clause):
            subject = clause
        said = words.effects(clause)
        if said:
            yield _clause_claim(trial, clause, subject or statement.subject, said, statement, trials, comparisons)


def _turns(trial: Trial, clause: str) -> bool:
    """Say whether a clause begins to speak of something: a hyperparameter, or another rule than the run's own."""
    spoken = words.apart(clause)[0] if trial.name == "iteration" else words.MEASURE.sub(" ", words.apart(clause)[0])
    rule = trial.run.rule if trial.run and trial.name != "optimizer" else None
    patterns = [*words.NAMES.values(), *(p for name, p in words.RULES.items() if name != rule)]
    return any(pattern.search(spoken) for pattern in patterns)


def _clause_claim(  # the one place where all circumstances meet
    trial: Trial,
    clause: str,
    subject: str,
    said: tuple[Said, ...],
    statement: Statement,
    trials: Sequence[Trial],
    comparisons: tuple[Comparison, ...],
) -> Claim:
    if not _names(trial, subject) and not _has_value(trial, subject):
        return "not-judged"
    spoken, _ = words.apart(subject)
    other = _other_values(trial, clause, trials)
    if not all(close(value, number(trial.before)) for value in other):
        return "not-judged"  # "with 1e-8, 1e-9 is slower still"
    turned = bool(other) or _turned(trial, spoken, subject)
    speed = {"faster", "slower"} & set(said)
    certain = (
        _is_plain(trial, statement.sentence, trials)
        and (not speed or words.OF_SPEED.search(clause) is not None or words.apart(clause)[1] != "")
        and not turned
        and len(said) == 1
        and _is_this_one(trial, spoken, trials)
    )
    verdicts: set[Claim] = set()
    for effect in said:
        if words.negated(clause, effect):
            verdicts.add(_negated(trial, effect, comparisons) if not turned else "not-judged")
            continue
        meant = OPPOSITE.get(effect) if turned else effect
        verdicts.add("not-judged" if meant is None else _against(trial, meant, comparisons))
    if "contradicts" in verdicts and not certain:
        verdicts = (verdicts - {"contradicts"}) | {"not-judged"}
    return verdicts.pop() if len(verdicts) == 1 else "not-judged"


def _other_values(trial: Trial, clause: str, trials: Sequence[Trial]) -> list[float]:
    """List the values of other runs that a clause speaks of where it does not name the change's own."""
    spoken, _ = words.apart(clause)
    if _has_value(trial, spoken):
        return []
    known = {number(value) for t in trials if t.name == trial.name for value in (t.before, t.after)}
    return [said for said in words.values(spoken) if any(close(value, said) for value in known)]


def _is_plain(trial: Trial, sentence: str, trials: Sequence[Trial]) -> bool:
    """Say whether every word of a sentence is understood, and what it compares with is a run that is known."""
    if words.HEDGE.search(sentence) or words.PHASE.search(sentence) or not words.plain(sentence):
        return False
    compared = words.apart(sentence)[1]
    known = [number(value) for t in trials if t.name == trial.name for value in (t.before, t.after)]
    own = trial.before if trial.name == "optimizer" else trial.run.rule if trial.run else None
    rules = {name for name, pattern in words.RULES.items() if pattern.search(compared)}
    others = {name for name, pattern in words.NAMES.items() if name != trial.name and pattern.search(compared)}
    strange = [value for value in words.values(compared) if not any(close(value, each) for each in known)]
    return not strange and rules <= {own} and not others


def names_value(trial: Trial, statement: Statement) -> bool:
    """Say whether a sentence far from the run means it: by its value, or by the name of its update rule."""
    return _names(trial, statement.subject) if trial.name == "optimizer" else _has_value(trial, statement.subject)


def _has_value(trial: Trial, text: str) -> bool:
    value = number(trial.after)
    return value is not None and any(close(value, said) for said in words.values(text))


def _turned(trial: Trial, spoken: str, subject: str) -> bool:
    """Say whether the clause speaks of the opposite: "a smaller lr is slower" beside a larger one."""
    if _has_value(trial, spoken):
        return False
    if _has_value(trial, subject):
        return True
    if not _names(trial, spoken):
        return True  # "gradient descent is slower than momentum"
    before = number(trial.before)
    if before is not None and any(close(before, said) for said in words.values(spoken)):
        return True
    way = words.direction(spoken, trial.name)
    return way != 0 and trial.direction != 0 and way != trial.direction


def _is_this_one(trial: Trial, spoken: str, trials: Sequence[Trial]) -> bool:
    """Say whether the clause can mean no other change than this one."""
    if trial.name != "optimizer":
        others = {name for name, pattern in words.NAMES.items() if pattern.search(spoken)} - {trial.name, "optimizer"}
        if others & {t.name for t in trials}:
            return False
    if _has_value(trial, spoken):
        return True
    if trial.name == "optimizer":
        return [name for name, pattern in words.RULES.items() if pattern.search(spoken)] == [trial.after]
    rivals = {t.after for t in trials if t.name == trial.name and t.direction == trial.direction}
    return len(rivals) == 1 and words.direction(spoken, trial.name) == trial.direction != 0


def _against(trial: Trial, effect: Said, comparisons: tuple[Comparison, ...]) -> Claim:
    """Compare one plain effect with the measurement; only a clear difference contradicts."""
    state = trial.run.effect if trial.run else None
    match effect:
        case "diverges":
            return "agrees" if state == "diverging" else "not-judged" if state == "oscillating" else "contradicts"
        case "oscillates":
            return "agrees" if state in ("oscillating", "diverging") else "not-judged"
        case "converges":
            return "agrees" if state == "converged" else "contradicts" if state == "diverging" else "not-judged"
        case "not-converged":
            return "contradicts" if state == "converged" else "agrees"
        case "stays":
            return "agrees" if state in ("stalled", "converging") else "not-judged"
        case "faster" | "slower":
            return _speed(trial, effect, comparisons, state)
        case "closer" | "farther":
            return _height(effect, comparisons, state)
        case "no-change":
            return _no_change(trial, comparisons, state)


def _speed(trial: Trial, effect: Said, comparisons: tuple[Comparison, ...], state: str | None) -> Claim:
    if state == "diverging":
        return "contradicts" if effect == "faster" else "not-judged"
    if trial.name == "iteration" or not comparisons or comparisons[0].speed is None:
        return "not-judged"  # a longer run of the same path is neither faster nor slower
    ratios = [_ratios(c, effect) for c in comparisons if c.speed is not None]
    if ratios[0][-1] <= FASTER:
        return "agrees"
    against = all(r[-1] >= CLEARLY and min(r) > FASTER for r in ratios)
    return "contradicts" if against else "not-judged"


def _ratios(compared: Comparison, effect: Said) -> tuple[float, ...]:
    """List the ratios of steps, highest level first, so that below 1 always speaks for the claim."""
    ratios = (*compared.speeds, compared.speed or 1.0)
    return ratios if effect == "faster" else tuple(1 / ratio for ratio in ratios)


def _height(effect: Said, comparisons: tuple[Comparison, ...], state: str | None) -> Claim:
    if state == "diverging":
        return "contradicts" if effect == "closer" else "agrees"
    heights = [c.height if effect == "closer" else 1 / c.height for c in comparisons if c.height]
    if not heights or not comparisons[0].height:
        return "not-judged"
    if heights[0] < 1.0:
        return "agrees"
    return "contradicts" if min(heights) >= CLEARLY else "not-judged"


def _no_change(trial: Trial, comparisons: tuple[Comparison, ...], state: str | None) -> Claim:
    if state == "diverging":
        return "contradicts"
    first = comparisons[0] if comparisons else None
    if first is None or first.height is None or not FASTER <= first.height <= SLOWER:
        return "not-judged"
    as_fast = first.speed is None or FASTER <= first.speed <= SLOWER
    return "agrees" if trial.name == "iteration" or as_fast else "not-judged"


def _negated(trial: Trial, effect: Said, comparisons: tuple[Comparison, ...]) -> Claim:
    """Judge "does not diverge" or "is not faster": it may agree, and never contradicts."""
    if effect == "converges":
        return _against(trial, "not-converged", comparisons)
    if effect in ("diverges", "oscillates"):
        return "not-judged" if _against(trial, effect, comparisons) == "agrees" else "agrees"
    first = comparisons[0].speed if comparisons else None
    if effect in ("faster", "slower") and first is not None:
        is_so = first <= FASTER if effect == "faster" else first >= SLOWER
        return "not-judged" if is_so else "agrees"
    return "not-judged"
