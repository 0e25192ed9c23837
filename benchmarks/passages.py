"""How well the lexicon tells introductions: precision and recall on the passages and on the regression PDFs.

    python benchmarks/passages.py [--all]

`tests/passages/holdout.toml` was written before the lexicon and never used to tune it, `second-holdout.toml` later and
in more voices; `tuning.toml` was used.
`good` and `wrong` passages introduce a topic (wrong ones with a mistake); `thin`, `stuffed` and `off` ones do not.
`reports.toml` holds short reports of four topics, labelled before they were judged; the last table is theirs.
--all lists every passage that is judged otherwise than its kind suggests.
"""

from __future__ import annotations

import argparse
import tomllib
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

from grader import coverage
from grader.model import Coverage, Line, ReportFacts

ROOT = Path(__file__).parents[1]
TOPICS = coverage.topics(
    tomllib.loads((files("rubrics") / "gradient_descent" / "topics.toml").read_text(encoding="utf-8"))
)
STATUSES = ("covered", "thin", "mentioned", "missing", "wrong")
KINDS = ("good", "wrong", "thin", "stuffed", "off")


def passages(name: str) -> list[dict[str, Any]]:
    """The passages of one file."""
    text = (ROOT / "tests" / "passages" / f"{name}.toml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = tomllib.loads(text)["passage"]
    return found


def judged(passage: dict[str, Any]) -> Coverage:
    """What is said of the topic that a passage is about, set as a page would be."""
    lines = tuple(
        Line(
            page=1,
            text=said.removeprefix("# "),
            bbox=(50.0, 50.0 + 18 * number, 500.0, 62.0 + 18 * number),
            size=16.0 if said.startswith("# ") else 12.0,
            heading=said.startswith("# "),
        )
        for number, said in enumerate(passage["text"].strip().splitlines())
    )
    found = coverage.coverage(ReportFacts(outcome="read", lines=lines), TOPICS)
    return next(one for one in found if one.topic == passage["topic"])


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.2f})" if whole else "none"


def _report(name: str, *, every: bool) -> None:
    found = [(passage, judged(passage)) for passage in passages(name)]
    print(f"\n{name}.toml: {len(found)} passages")
    print(f"{'':<10}" + "".join(f"{status:>11}" for status in STATUSES) + f"{'asked':>11}")
    for kind in KINDS:
        here = [one for passage, one in found if passage["kind"] == kind]
        counts = Counter[str](one.status for one in here)
        asked = sum(bool(one.questions) for one in here)
        print(f"{kind:<10}" + "".join(f"{counts[status]:>11}" for status in STATUSES) + f"{asked:>11}")
    covered = [passage["kind"] for passage, one in found if one.status == "covered"]
    good = [one.status for passage, one in found if passage["kind"] == "good"]
    wrong = [bool(one.questions) for passage, one in found if passage["kind"] == "wrong"]
    questions = [passage["kind"] for passage, one in found if one.questions]
    print(f"covered, precision   {_share(sum(kind in ('good', 'wrong') for kind in covered), len(covered))}")
    print(f"covered, recall      {_share(good.count('covered'), len(good))} of the good ones")
    print(f"lost                 {_share(good.count('missing') + good.count('mentioned'), len(good))} of the good ones")
    print(f"questions, precision {_share(questions.count('wrong'), len(questions))}")
    print(f"questions, recall    {_share(sum(wrong), len(wrong))}")
    if every:
        _odd(found)


def _odd(found: list[tuple[dict[str, Any], Coverage]]) -> None:
    usual = {"good": ("covered",), "wrong": ("covered", "thin", "wrong"), "thin": ("thin", "mentioned")}
    for passage, one in found:
        if one.status not in usual.get(passage["kind"], ("mentioned", "missing")):
            print(f"  {passage['id']}: {passage['kind']}, judged {one.status}")
        if bool(one.questions) != (passage["kind"] == "wrong"):
            print(f"  {passage['id']}: {passage['kind']}, {'asked' if one.questions else 'not asked'}")


def reports() -> list[dict[str, Any]]:
    """The short reports, each with what is right of its topics."""
    text = (ROOT / "tests" / "passages" / "reports.toml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = tomllib.loads(text)["report"]
    return found


def _reports(*, every: bool) -> None:
    """How whole short reports fare: four topics each, some of them good, some not."""
    right = {"good": ("covered",), "thin": ("thin", "mentioned"), "wrong": ("wrong",), "named": ("mentioned", "thin")}
    counts = {label: Counter[str]() for label in (*right, "absent")}
    odd: list[str] = []
    whole = [0, 0]
    for report in reports():
        statuses = {topic: judged({**report, "topic": topic}).status for topic in report["topics"]}
        for topic, label in report["topics"].items():
            counts[label][statuses[topic]] += 1
            if statuses[topic] not in right.get(label, ("missing",)):
                odd.append(f"  {report['id']} {topic}: {label}, judged {statuses[topic]}")
        if set(report["topics"].values()) == {"good"}:
            whole = [whole[0] + (set(statuses.values()) == {"covered"}), whole[1] + 1]
    print(f"\nreports.toml: {len(reports())} reports")
    print(f"{'':<10}" + "".join(f"{status:>11}" for status in STATUSES))
    for label, found in counts.items():
        print(f"{label:<10}" + "".join(f"{found[status]:>11}" for status in STATUSES))
    print(f"all four good and covered: {_share(whole[0], whole[1])}")
    print("\n".join(odd) if every else "")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="precision and recall of the lexicon")
    parser.add_argument("--all", action="store_true", help="list what is judged otherwise than its kind suggests")
    every = parser.parse_args().all
    for name in ("holdout", "second-holdout", "tuning"):
        _report(name, every=every)
    _reports(every=every)


if __name__ == "__main__":
    main()
