"""Fits the line y = b + w·x to ten points by least squares: the homework's data, loss and gradient.

The parameters are theta = (b, w), of shape [2] for one line or [2, T] for a history with one column per step.
A loss is a sum of squared errors times a factor that authors choose differently, so the choice is the keyword `scale`.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Scale = Literal["sse", "mse", "half-sse", "half-mse"]

# H.-Y. Lee, Machine Learning, National Taiwan University, "Gradient Descent" demo: CP of ten Pokémon before and after.
X_DATA: Array = np.array([338.0, 333.0, 328.0, 207.0, 226.0, 25.0, 179.0, 60.0, 208.0, 606.0])
Y_DATA: Array = np.array([640.0, 633.0, 619.0, 393.0, 428.0, 27.0, 193.0, 66.0, 226.0, 1591.0])
X_DATA.setflags(write=False)
Y_DATA.setflags(write=False)


def factor(scale: Scale, points: int) -> float:
    """What the sum of squared errors is multiplied by.

    >>> [factor(scale, 10) for scale in ("sse", "mse", "half-sse", "half-mse")]
    [1.0, 0.1, 0.5, 0.05]
    """
    return {"sse": 1.0, "mse": 1.0 / points, "half-sse": 0.5, "half-mse": 0.5 / points}[scale]


def errors(theta: Array, x: Array = X_DATA, y: Array = Y_DATA) -> Array:
    """How far the line lies above each point: [N] for one line, [N, T] for a history."""
    b, w = theta
    y = y.reshape(-1, *(1,) * np.ndim(b))
    return np.asarray(b + np.multiply.outer(x, w) - y)


def loss(theta: Array, x: Array = X_DATA, y: Array = Y_DATA, *, scale: Scale = "sse") -> Array:
    """The loss of a line, or of every line of a history.

    >>> float(loss(np.array([0.0, 0.0]), np.array([1.0, 2.0]), np.array([3.0, 4.0]), scale="mse"))
    12.5
    """
    return np.asarray(factor(scale, x.size) * np.sum(errors(theta, x, y) ** 2, axis=0))


def gradient(theta: Array, x: Array = X_DATA, y: Array = Y_DATA, *, scale: Scale = "sse") -> Array:
    """The gradient (∂/∂b, ∂/∂w) of the loss, of theta's shape.

    It is H·theta − q, so the sums over the points are formed once and not once per step.

    >>> gradient(np.array([0.0, 0.0]), np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array([-14., -22.])
    """
    q = 2.0 * factor(scale, x.size) * np.array([np.sum(y), np.sum(x * y)])
    return hessian(x, scale=scale) @ theta - q.reshape(2, *(1,) * (theta.ndim - 1))


def hessian(x: Array = X_DATA, *, scale: Scale = "sse") -> Array:
    """The second derivatives of the loss, the same at every theta.

    >>> hessian(np.array([1.0, 2.0]), scale="half-sse")
    array([[2., 3.],
           [3., 5.]])
    """
    return 2.0 * factor(scale, x.size) * np.array([[x.size, np.sum(x)], [np.sum(x), np.sum(x * x)]])


def minimum(x: Array = X_DATA, y: Array = Y_DATA) -> Array:
    """The theta of least loss, in closed form: w is covariance over variance, and the line meets the mean point.

    >>> minimum(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]))
    array([1., 2.])
    """
    dx = x - np.mean(x)
    w = np.sum(dx * (y - np.mean(y))) / np.sum(dx * dx)
    return np.array([np.mean(y) - w * np.mean(x), w])
