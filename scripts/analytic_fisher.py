"""The Fisher information of the simulations: closed form and Monte-Carlo estimate."""

import contextlib
import math

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.data import sets, sources
from imnn_core.gradient import devices
from imnn_core.gradient.matrices import determinant, is_positive_definite
from imnn_core.problems import load, simulations
from imnn_core.store import texts
from imnn_core.store.errors import InputError
from imnn_core.store.sizes import PIECE
from imnn_core.store.wording import shown
from imnn_core.workflow.jobs import job, log


@contextlib.contextmanager
def simulations_at(problem, n, paths_to_test, seed):
    """Pieces of n simulations at theta_fid: drawn here, or the first ones of a test set."""
    if paths_to_test:
        with sets.open_simulations(
            paths_to_test, problem, seed=seed, split="test", as_stored=True
        ) as source:
            n = min(n, len(source.fiducial))
            found = sources.select(source, np.arange(n))
            yield (piece for _, piece in sources.pieces(found, "fiducial", PIECE))
        return
    key = simulations.seed_key(0, "monte_carlo")
    yield (piece.fiducial for piece in simulations.draw(problem, key, n, 0))


def monte_carlo(problem, pieces):
    """Estimate F = E[-d^2 ln L / d theta^2] and the mean score from simulations at theta_fid.

    Both have standard errors. That of |F| is to first order, d|F| = |F| tr(F^-1 dF).
    """
    slopes_of = jax.jit(jax.vmap(jax.grad(problem.log_likelihood), in_axes=(None, 0)))
    hessian = jax.jit(jax.vmap(jax.hessian(problem.log_likelihood), in_axes=(None, 0)))
    theta = jnp.asarray(problem.theta_fid, dtype=jnp.result_type(float))
    score, each = [], []
    for piece in pieces:
        d = piece.astype(theta.dtype)
        score.append(np.asarray(slopes_of(theta, d), np.float64))
        each.append(-np.asarray(hessian(theta, d), np.float64))
    score, each = np.concatenate(score), np.concatenate(each)
    n = len(each)
    if not (np.isfinite(score).all() and np.isfinite(each).all()):
        raise InputError(
            f"problem {problem.name!r}: expected finite first and second derivatives of "
            "log_likelihood by theta, found NaN or infinity at theta_fid = "
            f"{problem.theta_fid.tolist()}"
        )
    F = each.mean(axis=0)
    if not np.linalg.det(F):
        raise InputError(
            f"problem {problem.name!r}: expected a log_likelihood that depends on all of "
            f"{list(problem.names)}"
        )
    det_F = determinant(F)
    slopes = det_F * np.einsum("ij,nji->n", np.linalg.inv(F), each)
    return {
        "n": n,
        "F": F.tolist(),
        "F_error": (each.std(axis=0, ddof=1) / np.sqrt(n)).tolist(),
        "det_F": det_F,
        "score": score.mean(axis=0).tolist(),
        "score_error": (score.std(axis=0, ddof=1) / np.sqrt(n)).tolist(),
        "det_F_error": float(slopes.std(ddof=1) / np.sqrt(n)),
    }


def check_closed_form(problem, F):
    """See that F in closed form has a bound and a determinant, which everything is compared with.

    Raises:
        InputError: it has none.

    """
    det_F = determinant(F)
    if not (is_positive_definite(F) and 0 < det_F < math.inf):
        raise InputError(
            f"problem {problem.name!r}: expected of fisher a positive definite matrix, found "
            f"{shown(F.tolist())}, |F| = {det_F:.4g}"
        )


def analytic_fisher(
    path_to_analytic, *, problem, n_monte_carlo, path_to_theta=None, paths_to_test=None, seed=None
):
    """Write both, null for a problem without a closed form or without a likelihood.

    Args:
        n_monte_carlo: simulations for the estimate, at most.
        path_to_theta: theta_fid of a refinement, in place of the problem's, or None.
        paths_to_test: a test set whose simulations serve; if None, others are drawn.
        seed: of the test set.

    """
    devices.only_cpu()
    problem = load.at(path_to_theta, **problem)
    F = problem.closed_form()
    if F is not None:
        check_closed_form(problem, F)
    known = problem.log_likelihood is not None and problem.simulator is not None
    estimate = None
    if known:
        with simulations_at(problem, n_monte_carlo, paths_to_test, seed) as pieces:
            estimate = monte_carlo(problem, pieces)
    values = {
        "problem": problem.name,
        "names": list(problem.names),
        "symbols": list(problem.symbols),
        "theta_fid": problem.theta_fid.tolist(),
        "F": None if F is None else F.tolist(),
        "det_F": None if F is None else determinant(F),
        "monte_carlo": estimate,
    }
    log.info("|F| = %s in closed form", values["det_F"])
    if estimate:
        found = (estimate["det_F"], estimate["det_F_error"], estimate["n"])
        log.info("|F| = %.4g +- %.2g from %d simulations", *found)
    texts.write_json(path_to_analytic, values)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        analytic_fisher(
            path_to_analytic=snakemake.output.analytic,
            problem=snakemake.params.problem,
            n_monte_carlo=snakemake.params.n_monte_carlo,
            path_to_theta=snakemake.input.get("theta_fid"),
            paths_to_test=snakemake.input.test,
            seed=snakemake.params.seed,
        )
