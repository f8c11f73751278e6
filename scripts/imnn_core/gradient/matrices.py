"""Symmetric matrices of parameters, in whatever units the parameters are. Imports no jax."""

import numpy as np


def eigenvalues(A) -> tuple[np.ndarray, float]:
    """Eigenvalues of a symmetric matrix whose rows and columns are scaled alike; and that scale.

    Rows and columns are divided by powers of two near the roots of the diagonal, so that a
    parameter of 1e-9 beside one of 70 costs no digits. The scale is what the determinant loses by
    that.
    """
    A = np.asarray(A, np.float64)
    size = np.sqrt(np.abs(np.diagonal(A)))
    usable = np.isfinite(size) & (size > 0)
    unit = np.exp2(np.round(np.log2(np.where(usable, size, 1))))
    return np.linalg.eigvalsh(A / np.outer(unit, unit)), float(np.prod(unit**2))


def determinant(A) -> float:
    """Determinant of a symmetric matrix, in float64, as the product of its eigenvalues."""
    values, scale = eigenvalues(A)
    return float(np.prod(values) * scale)


def is_positive_definite(A) -> bool:
    """Whether a symmetric matrix is finite and positive definite, by more than rounding."""
    if not np.isfinite(A).all():
        return False
    values, _ = eigenvalues(A)
    return bool(values[0] > len(values) * np.finfo(np.float64).eps * values[-1])
