"""Neural posteriors against exact ones: python tests/benchmarks/neural.py [--csv FILE].

The mixture-density network of imnn_core.inference.neural and, where flowjax is installed, its
masked autoregressive and its coupling flow with rational-quadratic splines: on the same
simulations, in the same scores, with the same share held out, in turn in one process. The CPUs'
seconds are compared, since other work of a shared machine does not change them much.

In seconds: --n 1000 --over 20 --draws 500 --ranks 50 --problems gaussian --methods mixture.
"""

import argparse
import importlib.util
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "benchmarks")]

from exact_posteriors import PROBLEMS  # noqa: E402 (it needs the path above)
from imnn_core.inference import neural, normal_scores  # noqa: E402

BATCH = 256  # simulations of a step of a flow, as of the mixture's
N_RANKS = 1000  # draws of an observation of which its parameters' ranks are taken


class Flow:
    """A flow of flowjax, q(z | s), used like `neural.Neural`."""

    def __init__(self, prior, scores, flow):
        """Args: what `trained_flow` makes."""
        import equinox as eqx
        import jax

        self.prior, self.scores = prior, scores
        self._draw = eqx.filter_jit(lambda key, s, n: flow.sample(key, (n,), condition=s))
        self._log_prob, self._key = eqx.filter_jit(flow.log_prob), jax.random.key

    def sample(self, x, n, seed):
        """Draws, (n_obs, n, n_params)."""
        import jax

        s = neural.scores_of(x, self.scores).astype(np.float32)
        keys = jax.random.split(self._key(seed), len(x))
        z = [np.asarray(self._draw(*of, n), np.float64) for of in zip(keys, s, strict=True)]
        return neural.parameters_of_scores(np.stack(z), self.prior)

    def log_density(self, theta, x):
        """Log-density, (n_obs, 1)."""
        s = neural.scores_of(x, self.scores).astype(np.float32)
        z = neural.scores_of_parameters(theta, self.prior)[:, 0]
        log_q = np.asarray(self._log_prob(z.astype(np.float32), s), np.float64)
        log_q = log_q + 0.5 * (z**2).sum(-1) + 0.5 * z.shape[-1] * np.log(2 * np.pi)
        return (log_q + self.prior.log_density(theta[:, 0]))[:, None]


def trained_flow(kind, theta, x, prior, seed, epochs):
    """A flow with flowjax's own sizes, trained by flowjax's own loop."""
    import jax
    import jax.numpy as jnp
    import optax
    from flowjax import bijections, distributions, flows, train

    scores = [normal_scores.learnt(column) for column in x.T]
    s, z = neural.scores_of(x, scores), neural.scores_of_parameters(theta, prior)
    make = {"maf": flows.masked_autoregressive_flow, "coupling": flows.coupling_flow}[kind]
    key, of_fit = jax.random.split(jax.random.key(seed))
    flow = make(
        key,
        base_dist=distributions.Normal(jnp.zeros(z.shape[1])),
        transformer=bijections.RationalQuadraticSpline(knots=8, interval=5),
        cond_dim=s.shape[1],
        invert=True,
    )
    steps = epochs * int(0.9 * len(z)) // BATCH
    flow, losses = train.fit_to_data(
        of_fit,
        flow,
        (jnp.asarray(z, jnp.float32), jnp.asarray(s, jnp.float32)),
        optimizer=optax.adam(optax.cosine_decay_schedule(2e-3, steps)),
        max_epochs=epochs,
        max_patience=max(2, epochs // 5),
        batch_size=BATCH,
        show_progress=False,
    )
    return Flow(prior, scores, flow), len(losses["val"])


def trained(method, theta, x, prior, seed, options):
    """A posterior by any method, the epochs, and the seconds with those of the CPUs."""
    began = time.perf_counter(), time.process_time()
    if method == "mixture":
        settings = neural.Settings(ensemble=options.ensemble)
        q = neural.train(theta, x, prior, seed, settings)
        epochs = sum(q.report["epochs"])
    else:
        epochs = options.epochs or max(20, min(150, 5_000_000 // len(x)))
        q, epochs = trained_flow(method, theta, x, prior, seed, epochs)
    return q, epochs, time.perf_counter() - began[0], time.process_time() - began[1]


def compared(q, problem, options):
    """Means and widths over the exact ones, near theta_fid and over the prior; ranks; nats lost."""
    from scipy import stats

    rng, row = np.random.default_rng(options.seed + 99), {}
    near = np.tile(problem.theta_fid, (options.over // 2, 1))
    for where, theta in (("near", near), ("over", problem.prior.draw(rng, options.over))):
        data = problem.simulate(rng, theta)
        mean, sd = problem.moments(data)
        samples = q.sample(problem.summaries(data), options.draws, options.seed)
        error, width = (samples.mean(1) - mean) / sd, samples.std(1) / sd
        row[f"{where}_error"] = np.sqrt((error**2).mean(0)).max()  # of the worst parameter
        middle = np.median(width, 0)
        row[f"{where}_width"] = middle[np.argmax(np.abs(np.log(middle)))]
        row[f"{where}_width_5"] = np.quantile(width, 0.05, 0).min()
        row[f"{where}_width_95"] = np.quantile(width, 0.95, 0).max()
    theta = problem.prior.draw(rng, options.ranks)
    data = problem.simulate(rng, theta)
    samples = q.sample(problem.summaries(data), N_RANKS, options.seed + 1)
    ranks = ((samples < theta[:, None]).sum(1) + rng.random(theta.shape)) / (N_RANKS + 1)
    row["rank_p"] = min(stats.kstest(column, "uniform").pvalue for column in ranks.T)
    lost = np.full(1, np.nan)
    if problem.log_density:
        parts = np.array_split(np.arange(5 * options.ranks), 20)
        theta = problem.prior.draw(rng, 5 * options.ranks)
        data = problem.simulate(rng, theta)
        exact = np.concatenate([problem.log_density(theta[of], data[of]) for of in parts])
        lost = exact - q.log_density(theta[:, None], problem.summaries(data))[:, 0]
    row["nats_lost"], row["nats_lost_error"] = lost.mean(), lost.std() / np.sqrt(len(lost))
    return row


def rows(options):
    """Rows of the table."""
    for name in options.problems:
        problem = PROBLEMS[name]()
        for n in options.n:
            rng = np.random.default_rng([options.seed, n])
            theta = problem.prior.draw(rng, n)
            x, of_mixture = problem.summaries(problem.simulate(rng, theta)), np.nan
            for method in options.methods:
                q, epochs, *times = trained(method, theta, x, problem.prior, options.seed, options)
                of_mixture = times[1] if method == "mixture" else of_mixture
                about = {"problem": name, "n": n, "method": method, "epochs": epochs}
                times = dict(zip(("seconds", "cpu_seconds"), times, strict=True))
                times["cpu_over_mixture"] = times["cpu_seconds"] / of_mixture
                yield about | times | compared(q, problem, options)


def markdown(row, heads):
    """A line of a Markdown table; the head, too, where it is wanted."""
    line = [f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()]
    lines = [list(row), ["---"] * len(row), line] if heads else [line]
    return "\n".join(f"| {' | '.join(words)} |" for words in lines)


def main():
    """Print the table row by row, and write it."""
    with_flows = importlib.util.find_spec("flowjax") is not None
    methods = ["mixture", "maf", "coupling"] if with_flows else ["mixture"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=PROBLEMS)
    parser.add_argument("--methods", nargs="+", default=methods, choices=methods)
    parser.add_argument("--n", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--over", type=int, default=200, help="observations over the prior")
    parser.add_argument("--draws", type=int, default=20_000, help="of which widths are taken")
    parser.add_argument("--ranks", type=int, default=1000, help="observations for ranks")
    parser.add_argument("--ensemble", type=int, default=4, help="members of the mixture's")
    parser.add_argument("--epochs", type=int, help="of a flow, in place of 20 to 150 by n")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    table = []
    for row in rows(options):
        print(markdown(row, heads=not table), flush=True)
        table.append(row)
    if options.csv:
        import pandas as pd

        pd.DataFrame(table).to_csv(options.csv, index=False)


if __name__ == "__main__":
    main()
