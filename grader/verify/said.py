"""What the notebook says about a run: its declared numbers, sorted by the part they can play.

A name narrows what a number may be (`lr`, `eta`, `beta1`, `eps`), it never decides: whether the run really used it is
for the steps to show. Numbers of the run's own cell come first, then the latest of earlier cells.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from grader.model import Declared

_GREEK = str.maketrans(
    {"η": "eta", "α": "alpha", "β": "beta", "γ": "gamma", "ρ": "rho", "μ": "mu", "λ": "lambda", "ε": "eps", "ϵ": "eps"}
)
_FADING = r"(.*_)?(lr|learn\w*|eta|rate)_?decay(_.*)?"
_BEGINS = r"(.*_)?(init|initial|start|guess|true|real)(_.*)?"
_RATE = re.compile(rf"(?!{_FADING}|{_BEGINS}_?a\b)((.*_)?(lr|lrs|learn\w*|eta|alpha|step_?size|rate|a)\d*(_.*)?|lr\w*)")
_SURE_RATE = re.compile(r"(.*_)?(lr|learn\w*rate|eta)(_?\d|_[bw]|_?(ada|adam|rms|sgd|gd|mom|nag|nesterov)\w*)?")
_LIKELY_RATE = re.compile(r"(.*_)?(alpha|step_?size|rate)")
_SURE_DECAY = re.compile(r"(.*_)?(momentum|beta_?1?|rho)")
_EPSILON = re.compile(r"(.*_)?(eps\w*|e|delta|fudge\w*|tiny|smooth\w*|const\w*)(_.*)?")
_DECAY = re.compile(
    rf"(?!{_FADING}|(.*_)?weight_?decay)(.*_)?(momentum|mom|mu|m|beta_?\d?|b_?[12]|gamma|rho|r|decay\w*|alpha|lambda|lambd|lam|l|v|nu|"
    r"friction|discount|damp\w*)(_.*)?"
)
_WEIGHT_DECAY = re.compile(r"(.*_)?(weight_?decay|wd|l2|reg|regular\w*|ridge|penalty|lambda|lambd|lam)(_.*)?")
_RATE_DECAY = re.compile(rf"{_FADING}|decay(_rate)?")
_EPSILON_ROOT = re.compile(r"(.*_)?eps\w*_?(root|sqrt|inside)")
_ACCUMULATOR = re.compile(r"(.*_)?init\w*_(acc\w*|scale|squares?|cache|s|v)(_.*)?")
_COUNT = re.compile(r"(.*_)?(iter\w*|n_?iter\w*|num_?iter\w*|epochs?|n_?epochs?|steps|n_?steps|max_?iter\w*)(_.*)?")
_INTERCEPT = re.compile(r"(.*_)?(b0?|bias|intercept|(theta|th|t|beta|w)_?0|init_?b|b_?init\w*)(_.*)?")
_SLOPE = re.compile(r"(.*_)?(w|m|k|weight|slope|(theta|th|t|beta|w)_?1|init_?w|w_?init\w*)(_.*)?")


class Said(NamedTuple):
    """The declared numbers of a cell by the parts they can play, the likeliest first, without repetition.

    `own_rates` and `own_decays` are those that the cell itself calls so: only they can contradict the run.
    `sure_rates` are the own rates whose names leave no doubt.
    `accumulators` are what sums and means of squares may begin from, `rate_decays` by what a rate may fall,
    `root_epsilons` what stands under a root for certain, `weight_decays` what may weigh a penalty.
    `lossless` says that a momentum of one is stated: a velocity that loses nothing.
    `numbers` are all that is stated, `own_numbers` what the cell itself states, by plain names.
    """

    rates: tuple[float, ...]
    own_rates: tuple[float, ...]
    decays: tuple[float, ...]
    own_decays: tuple[float, ...]
    epsilons: tuple[float, ...]
    positive: tuple[float, ...]
    table: dict[str, float]
    sure_rates: tuple[float, ...] = ()
    numbers: tuple[tuple[str, float], ...] = ()
    own_numbers: tuple[tuple[str, float], ...] = ()
    accumulators: tuple[float, ...] = ()
    rate_decays: tuple[float, ...] = ()
    root_epsilons: tuple[float, ...] = ()
    weight_decays: tuple[float, ...] = ()
    lossless: bool = False

    @property
    def own_words(self) -> frozenset[str]:
        """The names of all numbers of the cell."""
        return frozenset(name for name, _ in self.own_numbers)

    def times(self, value: float) -> int:
        """Under how many names a number is stated."""
        return len({name for name, known in self.numbers if known == value})

    def called(self, value: float, role: re.Pattern[str]) -> bool:
        """Whether a number is stated, and every name that it has plays one part."""
        names = [name for name, known in self.numbers if known == value]
        return bool(names) and all(map(role.fullmatch, names))

    def own(self, name: str) -> float | None:
        """The first number that the cell itself states under a name."""
        return next((value for known, value in self.own_numbers if known == name), None)


def in_call(stated: Said, settings: Mapping[str, float]) -> Said:
    """What is stated for one call: the settings that reach it come first, and only they can contradict the run."""
    decays = [settings[name] for name in ("momentum", "rho", "beta1", "beta2") if name in settings]
    found = stated._replace(
        lossless=settings.get("momentum") == 1.0,
        decays=_before((v for v in decays if 0 < v < 1), stated.decays),
        epsilons=_before((settings[name] for name in ("eps",) if name in settings), stated.epsilons),
        positive=_before((value for value in settings.values() if value > 0), stated.positive),
        table=stated.table | {name: settings[name] for name in ("lr", "iteration", "momentum") if name in settings},
    )
    rate = settings.get("lr", 0.0)
    if rate <= 0:
        return found
    return found._replace(rates=_before([rate], stated.rates), own_rates=(rate,), sure_rates=(rate,))


def _before(first: Iterable[float], rest: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(dict.fromkeys((*first, *rest)))


def plain(name: str) -> str:
    """A declared name without keyword sign, path, Greek or capitals."""
    bare = name.translate(_GREEK).strip().rstrip("=").strip()
    return re.split(r"[.(\[]", bare)[-1].strip("'\")] ").lower()


def said(declared: Sequence[Declared], cell: int) -> Said:
    """What is stated up to a cell; the values of the cell itself stand first."""
    own = [each for each in declared if each.cell == cell]
    earlier = sorted((each for each in declared if each.cell < cell), key=lambda each: -each.cell)
    known = [(plain(each.name), each.value) for each in (*own, *earlier)]
    stated = known[: len(own)]
    return Said(
        rates=_chosen(known, _RATE, lambda v: v > 0),
        own_rates=_chosen(stated, _SURE_RATE, lambda v: v > 0) or _chosen(stated, _LIKELY_RATE, lambda v: v > 0),
        decays=_chosen(known, _DECAY, lambda v: 0 < v < 1),
        own_decays=_chosen(stated, _SURE_DECAY, lambda v: 0 < v < 1),
        epsilons=_chosen(known, _EPSILON, lambda v: 0 < v <= 1e-2),
        positive=tuple(dict.fromkeys(value for _, value in known if value > 0)),
        table=_table(known),
        sure_rates=_chosen(stated, _SURE_RATE, lambda v: v > 0),
        numbers=tuple(known),
        own_numbers=tuple(stated),
        accumulators=_chosen(known, _ACCUMULATOR, lambda v: v > 0),
        weight_decays=_chosen(known, _WEIGHT_DECAY, lambda v: v > 0),
        root_epsilons=_chosen(known, _EPSILON_ROOT, lambda v: v > 0),
        rate_decays=_chosen(known, _RATE_DECAY, lambda v: v > 0),
    )


def _chosen(
    known: Iterable[tuple[str, float]], role: re.Pattern[str], fits: Callable[[float], bool]
) -> tuple[float, ...]:
    return tuple(dict.fromkeys(value for name, value in known if role.fullmatch(name) and fits(value)))


def _table(known: Sequence[tuple[str, float]]) -> dict[str, float]:
    """One number for each part that has a clear name, under the part's own name."""
    parts = {"lr": _RATE, "iteration": _COUNT, "momentum": _DECAY, "eps": _EPSILON}
    table: dict[str, float] = {}
    for part, role in parts.items():
        for name, value in known:
            if role.fullmatch(name) and (part != "momentum" or 0 < value < 1) and (part != "eps" or 0 < value <= 1e-2):
                table[part] = value
                break
    return table


def starts(declared: Sequence[Declared], cell: int) -> tuple[tuple[float, float], ...]:
    """Where (b, w) may have begun: the stated values up to a cell, the cell's own first."""
    known = sorted((each for each in declared if each.cell <= cell), key=lambda each: -each.cell)
    bs = dict.fromkeys(each.value for each in known if _INTERCEPT.fullmatch(plain(each.name)))
    ws = dict.fromkeys(each.value for each in known if _SLOPE.fullmatch(plain(each.name)))
    return tuple((b, w) for b in list(bs)[:3] for w in list(ws)[:3])
