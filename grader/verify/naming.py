"""What the names of series say: which are of parameters, of losses, of data, and what is none of these."""

from __future__ import annotations

import re

KEEPING = {
    *("history", "hist", "his", "list", "lst", "path", "trace", "log", "record", "records", "track", "all", "values"),
    *("vals", "arr", "array", "s", "steps", "trajectory", "traj", "memory", "save", "saved", "store", "evolution"),
}
VECTOR = {"theta", "thetas", "param", "params", "parameter", "parameters", "weights", "coef", "coefs", "p", "beta"}
NOT_A_PARAMETER = {
    *(
        "grad",
        "gradient",
        "gradients",
        "grads",
        "dw",
        "db",
        "delta",
        "velocity",
        "vel",
        "v",
        "vb",
        "vw",
        "sum",
        "cache",
    ),
    *("sq", "acc", "lr", "rate", "pred", "predict", "predicted", "hat", "hypothesis", "z", "mesh", "grid", "x", "y"),
    *("error", "errors", "err", "residual", "residuals", "epoch", "epochs", "iteration", "iterations", "time", "test"),
}
_ACCUMULATED = {"g", "g2", "gg", "gs", "s", "ss", "m", "r", "sigma"}  # before the letter of a parameter
LOSS = {"loss", "losses", "cost", "costs", "j", "mse", "sse", "rmse", "error", "errors", "err", "objective", "rss"}
_LOSS_WORD = re.compile(
    r"(?:train|training|val|valid|test|total|mean|avg|neg)?"
    r"(?:loss|cost|j|mse|sse|rmse|mae|error|err|objective|rss)(?:es|s)?(?:history|hist|list|lst|arr|log|curve)?\d*"
    r"|.*(?:損失|损失|誤差|误差|代價|代价).*"
)
_OF_A_LOSS = {
    *("diff", "diffs", "delta", "change", "changes", "improvement", "grad", "gradient", "gradients", "time", "times"),
    *("tol", "best", "final", "min", "end", "prev", "previous"),
}
PREDICTION = {"pred", "predict", "predicted", "predictions", "p", "hat", "hypothesis", "line", "fit", "fitted", "test"}
USUAL_X = {"x", "xs", "feature", "features", "input", "inputs", "area", "size", "hours", "cp"}
USUAL_Y = {"y", "ys", "target", "targets", "label", "labels", "output", "outputs", "price", "prices", "score", "scores"}
HELD_OUT = {"val", "valid", "validation", "test", "testing", "dev", "eval", "holdout"}
INTERCEPT = re.compile(r"(?:b|bias|biases|intercept|c|(?:theta|th|t|beta|w|coef|a|p)0)")
SLOPE = re.compile(r"(?:w|weight|weights|slope|m|k|a|(?:theta|th|t|beta|w|coef|a|p)1)")


def stem(name: str) -> str:
    """The last identifier of an access path: `model.hist['b_history']` is about `b_history`."""
    parts = re.findall(r"[^\W\d]\w*|\d[\w.+-]*", re.sub(r"\[[:,\s\d]*\]$", "", name))
    return parts[-1] if parts else name


def root(name: str) -> str:
    """The first identifier of an access path: `data['x'][:, 0]` is about `data`."""
    return re.match(r"\w*", name)[0]  # type: ignore[index] # it matches the empty text as well


def tokens(name: str) -> tuple[str, ...]:
    """The words of a name: `bHistory`, `b_history` and `b_hist` begin alike, `theta_0` is one word."""
    whole = re.sub(r"ada_?grad", "adagrad", stem(name), flags=re.IGNORECASE)  # no gradient
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=\d)(?=[a-zA-Z])", "_", whole).lower()
    words = re.sub(r"^(theta|th|t|beta|w|coef|a|b|p)_?([01])(?!\d)", r"\1\2", words)
    words = re.sub(r"^(b|w)s$", r"\1", words)
    return tuple(word for word in re.split(r"[_\W]+", words) if word)


def about(name: str, role: re.Pattern[str]) -> tuple[str, ...] | None:
    """What surrounds the parameter's own letter in its name, or None if the name is of something else."""
    words = tokens(name)
    if set(words) & NOT_A_PARAMETER:
        return None
    for k, word in enumerate(words):
        if role.fullmatch(word):
            if set(words[:k]) & _ACCUMULATED:
                return None
            rest = (*words[:k], *words[k + 1 :])
            return (name[: name.rfind(stem(name))], *rest)
    return None


def is_intercept(name: str) -> bool:
    """Whether a name is what people call an intercept."""
    return about(name, INTERCEPT) is not None


def is_slope(name: str) -> bool:
    """Whether a name is what people call a slope."""
    return about(name, SLOPE) is not None


def partners(b: str, w: str) -> bool:
    """Whether two names are of the intercept and the slope of one run."""
    around = about(b, INTERCEPT)
    return around is not None and around == about(w, SLOPE)


def is_kept(name: str) -> bool:
    """Whether a name is of something that keeps the parameters of a run."""
    words = set(tokens(name))
    return bool(words & (KEEPING | VECTOR)) and not words & (NOT_A_PARAMETER | LOSS)


def is_loss(name: str) -> bool:
    """Whether a name calls its numbers the losses of a run, and not their changes, or the best of several runs."""
    words = tokens(name)
    called = any(_LOSS_WORD.fullmatch(word) for word in words) or re.fullmatch(r"L(?:s|_\w*)?", stem(name))
    return bool(called) and not set(words) & _OF_A_LOSS
