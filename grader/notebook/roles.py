"""What a name may stand for: `learning_rate`, `eta` and `lr1` are all the learning rate.

A name suggests a role, the loop decides: what is updated there is a parameter or an accumulator, never a setting.
"""

from __future__ import annotations

import re

_GREEK = str.maketrans(
    {"η": "eta", "α": "alpha", "β": "beta", "γ": "gamma", "ρ": "rho", "μ": "mu", "λ": "lam", "ε": "eps", "ϵ": "eps"}
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

LR = {"lr", "lrs", "eta", "etas", "lrate", "learningrate", "stepsize", "learning", "rate", "rates"}
ITERATION = {"iteration", "iterations", "iter", "iters", "niter", "niters", "maxiter", "epoch", "epochs", "steps"}
MOMENTUM = {"momentum", "mom", "momenta"}
RHO = {"rho", "decay"}
EPS = {"eps", "epsilon"}
BATCH = {"batch", "batchsize"}
WEAK = {"alpha", "alphas", "a"}  # a learning rate, unless the loop has another
BEGINS = {"init", "initial", "start", "starting", "begin", "guess", "true", "real"}  # of a parameter that is called a
DECAYS = {"gamma", "beta", "mu", "lam", "lambda", "lamda", "lambd", "m", "alpha"}
_BIAS = re.compile(
    r"b\d*|bias|intercept|(?:b|bias)_?(?:0|init|start|initial|in)|(?:init|initial|start)_?(?:b|bias)|(?:theta|th|t|beta|w)_?0"
)
_SLOPE = re.compile(
    r"w|w[2-9]|weight|slope|k|m|(?:w|weight)_?(?:init|start|initial|in)|(?:init|initial|start)_?(?:w|weight)|(?:theta|th|t|beta|w)_?1"
)


def words(name: str) -> tuple[str, ...]:
    """Split `learning_rate2` and `learningRate` into lower-case words."""
    return tuple(word.lower() for word in _WORD.findall(name.translate(_GREEK)))


def setting(name: str, *, rule: str | None) -> str | None:
    """Name the hyperparameter that a constant of a training loop may be, given the loop's rule."""
    parts = words(name)
    have = set(parts) | {"".join(parts)}
    if "decay" in have and rule not in ("rmsprop", "adam", None):
        return None if have & {"weight", "wd"} else "schedule"  # of the learning rate, since nothing else decays there
    if rule == "adam" and have & {"beta", "b"} and have & {"1", "2"}:
        return "beta1" if "1" in have else "beta2"
    for role, names in (("rho", RHO), ("momentum", MOMENTUM), ("eps", EPS), ("batch", BATCH), ("lr", LR)):
        if have & names:
            return role
    if have & ITERATION or {"t", "max"} <= have or {"n", "steps"} <= have:
        return "iteration"
    if have & DECAYS - (set() if rule == "rmsprop" else WEAK) and rule in ("momentum", "nesterov", "rmsprop"):
        return "rho" if rule == "rmsprop" else "momentum"
    return "weak-lr" if have & WEAK and not have & BEGINS else None


def parameter(name: str) -> str | None:
    """Say whether an updated name looks like the intercept b or the slope w."""
    lower = name.translate(_GREEK).lower()
    if _BIAS.fullmatch(lower):
        return "b"
    return "w" if _SLOPE.fullmatch(lower) else None
