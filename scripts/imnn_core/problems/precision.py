"""Whether numbers of simulations have their digits in the precision that jax computes in."""

import jax.numpy as jnp
import numpy as np

# Of an element's deviation, the rounding from which on more digits are kept, and none are left.
COARSE, TOO_COARSE = 1e-4, 0.25


def index_of(k: int, shape: tuple[int, ...]) -> str:
    """The index of number k of a simulation, such as `3, 0`."""
    return ", ".join(map(str, np.unravel_index(k, shape)))


def coarseness(mean: np.ndarray, deviation: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Distance between neighbouring numbers of a dtype, relative to the deviation of simulations.

    0 for what never varies.

    Args:
        mean, deviation: of each number of a simulation, (*input_shape).
        dtype: of floating-point numbers.

    """
    gap = np.spacing((np.abs(mean) + deviation).astype(dtype)).astype(np.float64)
    return np.where(deviation > 0, gap / np.where(deviation > 0, deviation, 1), 0)


def fault_of_scale(largest: np.ndarray, deviation: np.ndarray) -> str | None:
    """What is wrong where jax's precision can't hold squares of numbers, or all digits of them.

    None if nothing is.

    Args:
        largest: size of each number of a simulation, and
        deviation: of it, (*input_shape) each.

    """
    dtype = np.dtype(jnp.result_type(float))
    most, least = np.sqrt(float(np.finfo(dtype).max)) / 10, 10 * float(np.finfo(dtype).tiny)
    too_small = (deviation > 0) & (deviation < least)
    if largest.max() > most:
        k, is_such = largest.argmax(), largest > most
        expected, what = f"whose squares {dtype} can hold", f"{largest.flat[k]:.3g}"
        remedy = "is it a mask? Leave it out, or take other units"
    elif too_small.any():
        k, is_such = np.where(too_small, deviation, np.inf).argmin(), too_small
        expected, what = f"that {dtype} holds with all digits", f"deviation {deviation.flat[k]:.3g}"
        remedy = "take other units, or leave it out"
    else:
        return None
    return (
        f"expected numbers {expected}, found {what} at index {index_of(k, largest.shape)} "
        f"({int(is_such.sum())} of {largest.size} numbers are such); {remedy}"
    )


def fault_of_digits(mean: np.ndarray, deviation: np.ndarray, dtype: np.dtype) -> str | None:
    """What is wrong where simulations vary by a few of their dtype's steps only; None if nothing.

    Args:
        mean, deviation, dtype: as of `coarseness`.

    """
    coarse = coarseness(mean, deviation, dtype)
    if coarse.max() <= TOO_COARSE:
        return None
    k, n_coarse = int(coarse.argmax()), int((coarse > TOO_COARSE).sum())
    return (
        f"expected numbers whose deviation is many steps of {np.dtype(dtype)}, found mean "
        f"{mean.flat[k]:.6g} and deviation {deviation.flat[k]:.3g} at index "
        f"{index_of(k, coarse.shape)}, {1 / coarse.flat[k]:.2g} steps ({n_coarse} of {coarse.size} "
        "numbers are such); take an offset off them before they are rounded"
    )


def not_finite(rows: np.ndarray) -> np.ndarray:
    """Numbers of the rows that hold NaN, infinity, or what jax's precision can't hold."""
    with np.errstate(over="ignore"):
        narrow = rows.astype(jnp.result_type(float), copy=False)
    return np.flatnonzero(~np.isfinite(narrow).all(axis=tuple(range(1, rows.ndim))))
