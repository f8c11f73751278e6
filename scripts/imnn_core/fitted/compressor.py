"""A fitted network as a function of simulations: their summaries, and estimates of theta."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.evaluation import measure
from imnn_core.fitted.measured import Measured
from imnn_core.networks.inputs import Inputs
from imnn_core.store.errors import InputError
from imnn_core.store.sizes import BLOCK
from imnn_core.store.wording import of_shape

Array = np.ndarray | jax.Array


@dataclass(frozen=True, eq=False, repr=False)
class Compressor:
    """A fitted network with its weights: `compressor(d)` are the summaries of simulations d.

    It is a pure function: `jax.jit`, `vmap`, `grad` and `jacfwd` go through it, and through
    `estimates`. Arrays of numpy come back as such, and are taken block by block, of any number.
    Arrays of jax come back as arrays of jax.

    path: of the fit.
    names: of the parameters, (n_params,).
    theta_fid: fiducial parameters, (n_params,), float64.
    input_shape: of one simulation.
    n_summaries: of one simulation.
    recipe: by which it was fitted, as in the configuration.
    provenance: where it comes from: problem, seed, versions, commit, device, checksum of the file.
    dtype: in which it computes.
    inputs: what stands before the network, see `networks.inputs`.
    n_at_once: simulations whose activations are in memory at a time.
    """

    path: Path
    names: tuple[str, ...]
    theta_fid: np.ndarray
    input_shape: tuple[int, ...]
    n_summaries: int
    recipe: Mapping[str, Any]
    provenance: Mapping[str, Any]
    dtype: np.dtype
    inputs: Inputs
    n_at_once: int
    _apply: Callable[[jax.Array], jax.Array]
    _measured: Measured | InputError
    _again: tuple[Callable[..., "Compressor"], tuple]

    def __call__(self, d: Array) -> Array:
        """Summaries of simulations.

        Args:
            d: (…, *input_shape), real numbers; in float64 where the fit has a centre.

        Returns:
            (…, n_summaries), of numpy for arrays of numpy (and lists), else of jax.

        Raises:
            InputError: another shape or dtype.

        """
        return self.summaries(d)

    def summaries(self, d: Array, where: str = "simulations") -> Array:
        """As a call; ``where`` is what an error calls the simulations."""
        d = self._checked(d, where)
        return self._of_jax(d) if isinstance(d, jax.Array) else self._of_numpy(d)

    @property
    def centre(self) -> np.ndarray | None:
        """Taken off from simulations in float64, before they are rounded, (*input_shape).

        None where simulations are near 0 beside their deviation.
        """
        return self.inputs.centre

    def estimates(self, d: Array) -> Array:
        """Quasi-maximum-likelihood estimates of theta from simulations, (…, n_params).

        theta_fid + F^-1 (dmu/dtheta)^T C^-1 (x - mu), with the statistics of the test set. They
        hold near theta_fid, with `covariance`. Of arrays of numpy they are in float64.

        Args:
            d: as of a call.

        Raises:
            InputError: another shape or dtype; nothing was measured, or nothing follows from it.

        """
        return self.estimates_of(self(d))

    def estimates_of(self, x: Array) -> Array:
        """Estimates of theta from summaries, (…, n_summaries) -> (…, n_params); see `estimates`."""
        weights, statistics = self.measured.weights_of_estimates, self.measured.statistics
        x = self._array(x, (self.n_summaries,), "summaries")
        if not isinstance(x, jax.Array):
            return measure.estimates(x.astype(np.float64), statistics, self.theta_fid)
        W = jnp.asarray(weights, self.dtype)
        mu, theta_fid = (_beside(each, x, self.dtype) for each in (statistics.mu, self.theta_fid))
        return theta_fid + jnp.matmul(x.astype(self.dtype) - mu, W, precision="highest")

    @property
    def measured(self) -> Measured:
        """What was measured of this fit on the test set.

        Raises:
            InputError: nothing was, or of another fit.

        """
        if isinstance(self._measured, InputError):
            raise InputError(*self._measured.lines)
        return self._measured

    @property
    def F(self) -> np.ndarray:
        """Fisher information of the summaries, (n_params, n_params), of the test set.

        Without its bias of order 1/n.
        """
        return self.measured.F

    @property
    def covariance(self) -> np.ndarray:
        """F^-1, of the estimates near theta_fid, (n_params, n_params)."""
        return self.measured.covariance

    @property
    def trusted(self) -> bool:
        """Whether there is no reason not to trust F; see `why_not`."""
        return not self.why_not

    @property
    def why_not(self) -> list[str]:
        """Reasons not to trust F, a clause each."""
        return self.measured.why_not

    def __reduce__(self):
        """A pickle, for another process, says how to load it anew."""
        return self._again

    def __repr__(self):
        lines = [
            f"Compressor {self.path}",
            f"  simulations {of_shape(*self.input_shape)} -> {self.n_summaries} summaries; "
            f"parameters {', '.join(self.names)} at {self.theta_fid.tolist()}",
        ]
        try:
            lines.append(f"  {self.measured}")
        except InputError as error:
            lines.append(f"  not measured: {error}")
        return "\n".join(lines)

    def _array(self, d, shape, where):
        """An array of numpy or jax, of real numbers, that ends in a shape."""
        if np.ma.is_masked(d):
            raise InputError(
                f"{where}: expected numbers without a mask, found {int(np.ma.count_masked(d))} "
                "that are masked; fill them as in an analysis of your data, or leave them out"
            )
        if not isinstance(d, jax.Array):
            try:
                d = np.asarray(d)
            except jax.errors.TracerArrayConversionError:  # of a list, within a transformation
                d = jnp.asarray(d)
            except ValueError:  # of lists of different lengths
                raise InputError(
                    f"{where}: expected an array, found rows of different lengths"
                ) from None
        is_real = d.dtype.kind in "fiu" or jnp.issubdtype(d.dtype, jnp.floating)
        if not is_real or d.dtype.itemsize > 8:
            raise InputError(
                f"{where}: expected floating-point or whole numbers of at most 8 bytes, found "
                f"{d.dtype}"
            )
        if d.ndim < len(shape) or d.shape[d.ndim - len(shape) :] != shape:
            raise InputError(
                f"{where}: expected the shape {of_shape('…', *shape)}, found {d.shape}"
            )
        return d

    def _checked(self, d, where):
        """Simulations as an array of numpy or jax that the network can take."""
        d = self._array(d, self.input_shape, where)
        is_whole = d.dtype.kind in "iu" and not isinstance(d, jax.Array)
        if self.centre is None or d.dtype.newbyteorder("=") == np.float64:
            return d
        if is_whole:
            return d.astype(np.float64)
        raise InputError(
            f"{where}: expected float64, since they are far from 0 beside their deviation, and the "
            f"fit takes off a centre before it rounds them, found {d.dtype}; in jax, float64 needs "
            "jax.enable_x64"
        )

    def _of_jax(self, d):
        d = d if self.centre is None else d - _beside(self.centre, d, d.dtype)
        return self._of_seen(d.astype(self.dtype))

    def _of_numpy(self, d):
        n, size = math.prod(d.shape[: d.ndim - len(self.input_shape)]), self.input_shape
        x = np.empty((n, self.n_summaries), self.dtype)
        rows = max(self.n_at_once, BLOCK // (self.dtype.itemsize * max(1, math.prod(size))))
        flat = d.reshape(n, *size)
        for start in range(0, n, rows):
            part = flat[start : start + rows]
            with np.errstate(over="ignore"):  # infinity gives no finite summaries
                seen = (part if self.centre is None else part - self.centre).astype(self.dtype)
            # Filled up, by an eighth at most, so that few sizes are compiled.
            unit = 1 << max(0, len(part).bit_length() - 4)
            filled = min(rows, -(-len(part) // unit) * unit)
            seen = np.concatenate([seen, np.repeat(seen[:1], filled - len(part), axis=0)])
            with jax.ensure_compile_time_eval():  # within a transformation they are constants
                x[start : start + len(part)] = self._of_seen(seen)[: len(part)]
        return x.reshape(*d.shape[: d.ndim - len(size)], self.n_summaries)

    @cached_property
    def _of_seen(self):
        """Summaries of simulations as the network sees them, compiled."""

        @jax.jit
        def of_seen(d):  # (…, *input_shape)
            before = d.shape[: d.ndim - len(self.input_shape)]
            flat = d.reshape(math.prod(before), *self.input_shape)
            with jax.default_matmul_precision("highest"):  # GPUs would else round to ten bits
                if len(flat) <= self.n_at_once:
                    x = jax.vmap(self._apply)(flat)
                else:
                    x = jax.lax.map(self._apply, flat, batch_size=self.n_at_once)
            return x.reshape(*before, self.n_summaries)

        return of_seen


def _beside(array: np.ndarray, other: jax.Array, dtype: np.dtype) -> jax.Array:
    """An array with as many axes as another one; jax may have been told to raise none."""
    return jnp.asarray(array, dtype).reshape((1,) * (other.ndim - array.ndim) + array.shape)
