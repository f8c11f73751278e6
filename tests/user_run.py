"""A user's files or simulator through check_files, use_files, fit and evaluate, as functions."""

import json

import numpy as np
from analytic_fisher import analytic_fisher
from check_files import check_files
from evaluate import evaluate
from fit import Paths, fit
from imnn_core.config.recipe import Recipe
from imnn_core.evaluation import trust
from imnn_core.problems import load
from simulate import simulate
from small_files import write
from small_run import NoBar
from use_files import use_files

FRACTIONS = {"validation": 0.3, "test": 0.4}
SMALL = {
    "network": {"hidden": [16, 16], "activation": "softplus"},
    "optimiser": {"learning_rate": 3e-3},
    "whiten": True,
    "patience": 20,
    "min_iterations": 10,
    "max_iterations": 60,
    "devices": "cpu",
    "n_devices": 1,
    "n_per_device": 2000,
}


def problem_of(names, theta_fid, input_shape, kind="files", **changes):
    found = {"kind": kind, "names": names, "theta_fid": theta_fid, "input_shape": input_shape}
    return found | changes


def measured(folder, problem, n_s=None, n_test=None, **recipe):
    """Fit and evaluate what is in a folder; (information, why |F| is not to be trusted)."""
    recipe = Recipe(**SMALL | recipe).model_dump()
    paths = {split: folder / f"{split}.h5" for split in ("training", "validation", "test")}
    half = folder / "half_step.h5"
    fit(
        Paths(paths["training"], paths["validation"], None, folder / "f.h5", folder / "f.csv"),
        problem=problem,
        seed=1,
        n_s=n_s,
        n_d=n_s,
        recipe=recipe,
        bar=NoBar(),
    )
    analytic_fisher(folder / "analytic.json", problem=problem, n_monte_carlo=10)
    evaluate(
        paths,
        folder / "f.h5",
        folder / "analytic.json",
        folder / "f.json",
        folder / "estimates.csv",
        problem=problem,
        fit="f",
        seed=1,
        n_s=n_s,
        n_d=n_s,
        n_test=n_test,
        recipe=recipe,
        path_to_half=half if half.exists() else None,
    )
    information = json.loads((folder / "f.json").read_text())
    return information, trust.why_not(information, load.build(**problem).names)


def from_file(folder, arrays, problem, suffix=".h5", **recipe):
    """The same of a user's file, which is split into sets."""
    steps = {"delta_theta": problem["delta_theta"]} if "shifted" in arrays else {}
    path = write(folder / f"mine{suffix}", arrays, steps)
    checked = folder / "checked.json"
    check_files({"training": str(path)}, checked, problem=problem)
    paths = {split: folder / f"{split}.h5" for split in ("training", "validation", "test")}
    use_files(checked, paths, problem=problem, fractions=FRACTIONS, seed=1)
    return measured(folder, problem, **recipe)


def det_F(information, whose="network"):
    """|F| of the test set without its bias, and its error."""
    found = information["splits"]["test"][whose]["det_F"]
    return found["debiased"], found["error"]


def assert_is(information, truth, n_errors=3, whose="network", lost=0.0):
    value, error = det_F(information, whose)
    assert (1 - lost) * truth - n_errors * error < value < truth + n_errors * error
    assert error < 0.2 * truth


def shifted_of(simulate, theta, steps):
    """Simulations at theta -+ step / 2, (n, 2, n_params, …)."""
    unit = np.eye(len(theta))
    return np.stack(
        [
            np.stack(
                [simulate(theta + side * step / 2 * unit[a]) for a, step in enumerate(steps)],
                axis=1,
            )
            for side in (-1, 1)
        ],
        axis=1,
    )


def numpy_problem(folder, text):
    path = folder / "mine.py"
    path.write_text("import numpy as np\nfrom imnn_core.problems import Problem\n" + text)
    return path


def drawn(folder, problem, n_s, n_test):
    for split, n in (("training", n_s), ("validation", n_s), ("test", n_test)):
        simulate(folder / f"{split}.h5", problem=problem, seed=1, split=split, n_s=n, n_d=n)
    if "delta_theta" in problem:
        sizes = {"n_s": n_test, "n_d": n_test}
        simulate(folder / "half_step.h5", problem=problem, seed=1, split="half_step", **sizes)
