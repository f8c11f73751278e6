"""Stencils of finite differences: where simulations are shifted to, and their weights."""

from collections.abc import Sequence

import numpy as np

Step = float | Sequence[float]  # one parameter's entry of `delta_theta`


def offsets_of(step: Step) -> list[float]:
    """Offsets of one parameter's shifted simulations; 0, the fiducial simulation, is not listed."""
    return [-step / 2, step / 2] if np.ndim(step) == 0 else [float(offset) for offset in step]


def columns_of(delta_theta: Sequence[Step]) -> list[tuple[int, float]]:
    """The parameter and the offset of each simulation at shifted parameters, in stored order.

    If each parameter has one distance: minus for all parameters, then plus for all. Else parameter
    by parameter.
    """
    offsets = [offsets_of(step) for step in delta_theta]
    if is_pairs(delta_theta):
        return [(a, offsets[a][side]) for side in (0, 1) for a in range(len(offsets))]
    return [(a, offset) for a, each in enumerate(offsets) for offset in each]


def is_pairs(delta_theta: Sequence[Step]) -> bool:
    """Whether each parameter has one distance, of two simulations around theta_fid."""
    return all(np.ndim(step) == 0 for step in delta_theta)


def weights(points: Sequence[float]) -> np.ndarray:
    """Weights of a function's values at 0 and at these points in its first derivative at 0.

    Exact for polynomials of degree len(points). The points (0.1, 0.2, 0.4) have the weights
    (-21, 32, -12, 1) / 1.2.

    Args:
        points: different from each other and from 0, (n,).

    Returns:
        (1 + n,), that of 0 first.

    Source: Fornberg 1988, Mathematics of Computation 51, 699.

    """
    x = np.asarray(points, np.float64)
    others = [np.delete(x, j) for j in range(len(x))]
    of_points = [
        np.prod(-other / (x[j] - other)) / x[j] for j, other in enumerate(others)
    ]  # slopes at 0 of Lagrange's polynomials
    return np.array([-np.sum(1 / x), *of_points])


def nested(columns: Sequence[tuple[int, float]], n_params: int) -> np.ndarray:
    """Weights of three derivatives of each parameter, (3, n_params, 1 + n_columns).

    The derivative by all points; how much of it the farthest point adds; and how much the second
    farthest one adds to what is left. The ratio of the last two tells how fast the derivatives
    converge as points are added. A derivative by no point is 0.

    Args:
        columns: parameter and offset of each shifted simulation.
        n_params: number of parameters.

    """
    found = np.zeros((3, n_params, 1 + len(columns)))
    for a in range(n_params):
        mine = [c for c, (parameter, _) in enumerate(columns) if parameter == a]
        mine.sort(key=lambda c: (abs(columns[c][1]), -columns[c][1]))
        by_fewer = np.zeros((3, 1 + len(columns)))  # by all, all but one, all but two
        for i in range(min(3, len(mine))):
            kept = mine[: len(mine) - i]
            points = [columns[c][1] for c in kept]
            by_fewer[i, [0, *(1 + c for c in kept)]] = weights(points)
        found[:, a] = by_fewer[0], by_fewer[0] - by_fewer[1], by_fewer[1] - by_fewer[2]
    return found


def spans(columns: Sequence[tuple[int, float]], n_params: int) -> np.ndarray:
    """Distance between the outermost of each parameter's simulations, (n_params,)."""
    reach = [[0.0, *(offset for a, offset in columns if a == i)] for i in range(n_params)]
    return np.array([max(each) - min(each) for each in reach])
