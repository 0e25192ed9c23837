"""What PyTorch and optax train is verified as what it is, in every convention, with residuals within one bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_oracles import SCHEDULE as SCHEDULE  # the fixtures are shared with the tests of the reference
from test_oracles import optax_path as optax_path
from test_oracles import torch_path as torch_path

from grader import verify
from grader.model import Declared, Match, Names, Series
from reference.line_fit import X_DATA, Y_DATA

pytestmark = [pytest.mark.oracle, pytest.mark.slow]


def judged(path: Any, declared: dict[str, float]) -> Match:
    held = {"x_data": X_DATA, "y_data": Y_DATA, "b_history": path[0], "w_history": path[1]}
    series = [Series(cell=1, name=name, values=np.array(values)) for name, values in held.items()]
    stated = [Declared(name=name, cell=1, value=value) for name, value in declared.items()]
    (match,) = verify.runs(series, declared=stated, names=Names())
    return match


TORCH: list[tuple[str, dict[str, Any], str, dict[str, float]]] = [
    ("SGD", {"lr": 1e-7}, "gd", {}),
    ("SGD", {"lr": 1e-7, "momentum": 0.9}, "momentum", {"momentum": 0.9}),
    ("SGD", {"lr": 1e-7, "momentum": 0.9, "dampening": 0.3}, "momentum", {"momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 1e-7, "momentum": 0.8, "nesterov": True}, "nesterov", {"momentum": 0.8}),
    ("Adagrad", {"lr": 1.0}, "adagrad", {}),
    ("Adagrad", {"lr": 1.0, "initial_accumulator_value": 0.1, "eps": 1e-7}, "adagrad", {"eps": 1e-7}),
    ("Adagrad", {"lr": 1.0, "initial_accumulator_value": 0.5}, "adagrad", {"initial_accumulator_value": 0.5}),
    ("Adagrad", {"lr": 1.0, "lr_decay": 0.01}, "adagrad", {"lr_decay": 0.01}),
    ("Adagrad", {"lr": 1.0, "lr_decay": 0.01}, "adagrad", {}),
    (
        "Adagrad",
        {"lr": 1.0, "lr_decay": 0.01, "initial_accumulator_value": 0.1, "eps": 1.0},
        "adagrad",
        {"lr_decay": 0.01, "initial_accumulator_value": 0.1, "eps": 1.0},
    ),
    *(
        (name, {**keywords, "schedule": SCHEDULE}, rule, {"momentum": 0.9} if "momentum" in keywords else {})
        for name, keywords, rule in (
            ("SGD", {"lr": 1e-7, "momentum": 0.9}, "momentum"),
            ("SGD", {"lr": 1e-7, "momentum": 0.9, "nesterov": True}, "nesterov"),
            ("Adagrad", {"lr": 1.0}, "adagrad"),
            ("RMSprop", {"lr": 0.1}, "rmsprop"),
            ("RMSprop", {"lr": 0.01, "momentum": 0.9}, "rmsprop"),
            ("Adam", {"lr": 0.1}, "adam"),
        )
    ),
    *(
        (name, {**keywords, "weight_decay": 0.1}, rule, {"weight_decay": 0.1, **declared})
        for name, keywords, rule, declared in (
            ("SGD", {"lr": 1e-7}, "gd", {}),
            ("SGD", {"lr": 1e-7, "momentum": 0.9}, "momentum", {"momentum": 0.9}),
            ("SGD", {"lr": 1e-7, "momentum": 0.9, "nesterov": True}, "nesterov", {"momentum": 0.9}),
            ("Adagrad", {"lr": 1.0}, "adagrad", {}),
            ("RMSprop", {"lr": 0.1, "momentum": 0.9}, "rmsprop", {"momentum": 0.9}),
            ("Adam", {"lr": 0.1}, "adam", {}),
            ("AdamW", {"lr": 0.1}, "adam", {}),
        )
    ),
    ("RMSprop", {"lr": 0.1}, "rmsprop", {"alpha": 0.99}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.9, "eps": 1e-6}, "rmsprop", {"alpha": 0.9, "eps": 1e-6}),
    ("RMSprop", {"lr": 0.01, "alpha": 0.9, "momentum": 0.9}, "rmsprop", {"alpha": 0.9, "momentum": 0.9, "eps": 1e-8}),
    ("RMSprop", {"lr": 0.1, "centered": True, "alpha": 0.9}, "rmsprop", {"alpha": 0.9}),
    ("RMSprop", {"lr": 0.1, "centered": True}, "rmsprop", {}),
    ("RMSprop", {"lr": 0.1, "centered": True, "momentum": 0.9}, "rmsprop", {"momentum": 0.9}),
    (
        "RMSprop",
        {"lr": 0.1, "alpha": 0.9, "momentum": 0.5, "centered": True, "eps": 1e-4},
        "rmsprop",
        {"alpha": 0.9, "momentum": 0.5, "eps": 1e-4},
    ),
    ("Adam", {"lr": 0.1}, "adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.9)}, "adam", {"beta1": 0.5, "beta2": 0.9}),
    ("SGD", {"lr": 1e-7, "dtype": "float32"}, "gd", {}),
    ("Adagrad", {"lr": 1.0, "dtype": "float32"}, "adagrad", {}),
    ("RMSprop", {"lr": 0.1, "dtype": "float32"}, "rmsprop", {"alpha": 0.99}),
    ("Adam", {"lr": 0.1, "dtype": "float32"}, "adam", {}),
]

OPTAX: list[tuple[str, dict[str, Any], str, dict[str, float]]] = [
    ("sgd", {"lr": 1e-7}, "gd", {}),
    ("sgd", {"lr": 1e-7, "momentum": 0.9}, "momentum", {"momentum": 0.9}),
    ("ema", {"lr": 1e-6, "decay": 0.9, "debias": False}, "momentum", {"decay": 0.9}),
    ("sgd", {"lr": 1e-7, "momentum": 0.8, "nesterov": True}, "nesterov", {"momentum": 0.8}),
    ("adagrad", {"lr": 1.0}, "adagrad", {}),
    ("rmsprop", {"lr": 0.1}, "rmsprop", {"decay": 0.9}),
    ("rmsprop", {"lr": 0.1, "initial_scale": 1.0, "eps": 1e-3, "eps_in_sqrt": False}, "rmsprop", {"eps": 1e-3}),
    ("rmsprop", {"lr": 0.1, "initial_scale": 1.0, "momentum": 0.9}, "rmsprop", {"initial_scale": 1.0, "momentum": 0.9}),
    *(
        ("rmsprop", {"lr": 0.1, "eps_in_sqrt": inside, **keywords}, "rmsprop", {"decay": 0.9})
        for inside in (True, False)
        for keywords in ({"centered": True}, {"bias_correction": True})
    ),
    *(
        ("rmsprop", {"lr": 0.1, "momentum": 0.9, "nesterov": nesterov, **keywords}, "rmsprop", {"momentum": 0.9})
        for nesterov in (False, True)
        for keywords in ({}, {"centered": True}, {"bias_correction": True})
    ),
    ("adam", {"lr": 0.1}, "adam", {}),
    ("adam", {"lr": 0.1, "eps_root": 1.0}, "adam", {"eps_root": 1.0}),
    ("adam", {"lr": 0.1, "eps": 1e-3, "eps_root": 1e-2}, "adam", {"eps": 1e-3, "eps_root": 1e-2}),
    ("adam", {"lr": 0.1, "eps": 10.0, "eps_root": 100.0}, "adam", {"eps": 10.0, "eps_root": 100.0}),
    ("adam", {"lr": 0.1, "nesterov": True}, "adam", {}),
    ("adam", {"lr": 0.1, "b1": 0.8, "b2": 0.99, "nesterov": True}, "adam", {"b1": 0.8, "b2": 0.99}),
    ("amsgrad", {"lr": 0.1}, "adam", {}),
    ("adamw", {"lr": 0.1, "weight_decay": 0.01}, "adam", {"weight_decay": 0.01}),
    ("sgd", {"lr": 1e-7, "schedule": SCHEDULE}, "gd", {}),
    ("sgd", {"lr": 1e-7, "momentum": 0.9, "schedule": SCHEDULE}, "momentum", {"momentum": 0.9}),
    ("adagrad", {"lr": 1.0, "schedule": SCHEDULE}, "adagrad", {}),
    ("rmsprop", {"lr": 0.01, "momentum": 0.9, "schedule": SCHEDULE}, "rmsprop", {"momentum": 0.9}),
    ("adam", {"lr": 0.1, "schedule": SCHEDULE}, "adam", {}),
]


@pytest.mark.parametrize("name", ["NAdam", "RAdam", "Adamax", "Adadelta", "ASGD", "Rprop"])
def test_torchs_other_rules_are_never_said_to_be_a_mistake(torch_path: Any, name: str) -> None:
    match = judged(torch_path(name, {"lr": 0.1}), {"lr": 0.1})

    assert match.verdict in ("unexplained", "review")


@pytest.mark.parametrize(
    "name", ["radam", "adamax", "adadelta", "adabelief", "lion", "yogi", "novograd", "lamb", "sign_sgd", "adan"]
)
def test_optaxs_other_rules_are_never_said_to_be_a_mistake(optax_path: Any, name: str) -> None:
    match = judged(optax_path(name, {"lr": 0.1}), {"lr": 0.1})

    assert match.verdict in ("unexplained", "review")


@pytest.mark.parametrize(("name", "keywords", "rule", "declared"), TORCH)
def test_every_torch_optimizer_matches(
    torch_path: Any, name: str, keywords: dict[str, Any], rule: str, declared: dict[str, float]
) -> None:
    match = judged(torch_path(name, keywords), {"lr": keywords["lr"], **declared})

    assert (match.verdict, match.rule, match.steps) == ("matches", rule, 1000)
    assert match.max_residual is not None
    assert 0.0 < match.max_residual <= 1.0


@pytest.mark.parametrize(("name", "keywords", "rule", "declared"), OPTAX)
def test_every_optax_optimizer_matches(
    optax_path: Any, name: str, keywords: dict[str, Any], rule: str, declared: dict[str, float]
) -> None:
    match = judged(optax_path(name, keywords), {"lr": keywords["lr"], **declared})

    assert (match.verdict, match.rule, match.steps) == ("matches", rule, 1000)
    assert match.max_residual is not None
    assert 0.0 < match.max_residual <= 1.0
