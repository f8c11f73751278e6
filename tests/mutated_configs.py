"""Configs that are whole, and what a slip of a finger, or of a program, may make of them."""

import datetime
import math
from collections.abc import Callable

DRAWS = {
    "n_s": 40,
    "n_d": 20,
    "n_test": 40,
    "seeds": [1, 2],
    "fits": {
        "mlp": {"network": {"hidden": [4], "activation": "tanh"}, "optimiser": {"name": "sgd"}},
        "set": {"network": {"kind": "deep_set", "hidden": [4], "head": [3]}},
    },
}
FILES = {
    "problem": "files",
    "names": ["a", "b"],
    "theta_fid": [0.0, 1.0],
    "input_shape": [3],
    "simulations": {"training": "none.h5", "fractions": {"validation": 0.3, "test": 0.4}},
    "fits": {"mlp": {"standardise": "each", "whiten": True, "averaging": 0.9}},
}
FOLDER = FILES | {
    "simulations": {
        "training": {
            "fiducial": ["none/*.npy", "none"],
            "shifted": {
                "a": {-0.1: "none.npy", 0.1: {"files": "none.h5", "dataset": "a/b"}},
                "b": {"1e-1": "none", 0.2: {"files": ["none"], "axes": ["k", "n"]}},
            },
        },
        "test": {"fiducial": "none.npz", "shifted": {"files": "none.h5"}},
    },
    "delta_theta": [[-0.1, 0.1], [0.1, 0.2]],
    "fits": {"mlp": {"validation": False}},
}
DIFFERENCES = DRAWS | {"derivative": "finite_difference", "delta_theta": [0.1, [-0.1, 0.1, 0.2]]}
OWN = {
    "problem": "config/examples/autoregression.py",
    "derivative": "finite_difference_of_summaries",
    "delta_theta": [0.05, 0.05],
    "figures": {"formats": ["svg", "pdf"], "style": "config/figures.mplstyle"},
    "gpu_memory": 0.5,
    "simulate": {"n_per_part": 50, "threads": 2, "keep": False, "seconds_per_simulation": 0.5},
    "fits": {"products": {"network": {"kind": "products", "lags": 4}}},
}
SCHEDULE = {"schedule": "cosine_decay_schedule", "init_value": 1e-3, "decay_steps": 50}
FIELD = {
    "problem": "gaussian_field",
    "input_shape": [8, 8],
    "simulate": {"n_per_call": 100, "devices": "auto"},
    "theta_fid": [1.0, 1.0],
    "fits": {
        "cnn": {
            "network": {"kind": "cnn", "channels": [2, 2], "kernel": 3, "strides": [2, 1]},
            "optimiser": {"name": "adamw", "learning_rate": SCHEDULE, "b1": 0.9},
        }
    },
}
ON_THE_FLY = {
    "problem": "exponential_rate",
    "simulations": "on_the_fly",
    "checkpoint_minutes": 1,
    "fits": {"mlp": {"patience": 5, "min_iterations": 0, "max_iterations": 9, "strength": 2.0}},
}
CONTINUED = {"fits": {"a": {"closeness": 0.1}, "b": {"continue_from": "a", "max_iterations": 5}}}
OBSERVED = DRAWS | {"observed": "none.npy", "refine": 1, "gpu_memory": "on_demand"}
WHOLE = [{}, DRAWS, FILES, FOLDER, DIFFERENCES, OWN, FIELD, ON_THE_FLY, CONTINUED, OBSERVED]


def _nested(depth: int, of_lists: bool) -> object:
    found = 1
    for _ in range(depth):
        found = [found] if of_lists else {"a": found}
    return found


ENDLESS_LIST, ENDLESS_MAPPING = [], {}  # as YAML makes them of `&a [*a]`
ENDLESS_LIST.append(ENDLESS_LIST)
ENDLESS_MAPPING["a"] = ENDLESS_MAPPING
LAUGHS = ["ha"]
for _ in range(40):
    LAUGHS = [LAUGHS, LAUGHS]  # 2**40 of them, by aliases
NUMBERS = [
    *(0, 1, 2, 3, 7, -1, 0.5, 2.0, 1e-3, 1.5, True, False, math.nan, math.inf, -math.inf, -0.0),
    *(1e300, -1e300, 1e39, 1e10, 1e-46, 1e-300, 5e-324, 2**31 - 1, 2**31, 2**32, 2**63, 10**18),
    *(-(10**18), 10**400, 3_000_000_000, "1e-3", "1e400", "nan", "12", "9" * 5000, "0x10", "1_0"),
]
TEXTS = [
    *("", " ", "mlp", "files", "on_demnd", "true", "~", "a/b", "../x", "é", "名前", "a\nb", "\0"),
    *("\x1b[2J\x1b[31mred", "a\rb", "\u202etxet", "\ud800", "\udcff", "$\\frac{", "%s{x}", "#"),
    *("a" * 200, "a" * 300, "b" * 5000, "x.py", "/dev/zero", "/dev/null", ".", "/", "a\0.py"),
    *("c" * 300 + ".py", "\udcff.py", "config", "config.py/x.py", "none.npz", "adam", "lbfgs"),
]
OTHERS = [
    *(None, [], {}, [None], [[]], [1], ["mu"], [0.1, 0.1], {"a": 1}, {1: 2}, {None: None}),
    *({"kind": "mlp"}, {"kind": "cnn"}, {"kind": 3}, {"schedule": "x"}, {"schedule": None}),
    *(b"bytes", datetime.date(2024, 1, 1), {1, 2}, (1, 2), [1, "a", None, 2.5, [], {}]),
    *(_nested(200, True), _nested(200, False), _nested(900, True), ENDLESS_LIST, ENDLESS_MAPPING),
    *(LAUGHS, list(range(20_000)), [3] * 20_000, ["n" * 50] * 2000, [10**18] * 3),
    dict.fromkeys(map(str, range(2000)), {}),
]
VALUES = [*NUMBERS, *TEXTS, *OTHERS]
KEYS = [
    *("run", "problem", "names", "theta_fid", "input_shape", "simulations", "derivative", "seeds"),
    *("delta_theta", "n_s", "n_d", "n_test", "n_monte_carlo", "observed", "refine", "figures"),
    *("checkpoint_minutes", "gpu_memory", "fits", "style", "formats", "n_summaries", "network"),
    *("standardise", "whiten", "linear", "augment", "averaging", "optimiser", "strength", "data"),
    *("closeness", "patience", "min_iterations", "max_iterations", "validation", "weights", "b1"),
    *("n_per_device", "devices", "n_devices", "threads", "report_every", "continue_from", "kind"),
    *("hidden", "head", "activation", "channels", "kernel", "strides", "means", "channels_last"),
    *("name", "learning_rate", "schedule", "training", "test", "fractions", "eps", "mask", "nan"),
    *("fiducial", "shifted", "files", "dataset", "axes", 0.1, -0.1, math.nan),
    *("", "a\nb", "k" * 400, "\x1b[0m", 1, None, True, 1.5, "\ud800"),
]


def _copied(node: object, depth: int = 0) -> object:
    """A copy of what `_places` finds and holds; what lies deeper, or is large, is the same."""
    if depth > 7 or not isinstance(node, dict | list) or len(node) > 50:
        return node
    if isinstance(node, list):
        return [_copied(item, depth + 1) for item in node]
    return {key: _copied(item, depth + 1) for key, item in node.items()}


def _places(node: object, depth: int = 0) -> list[tuple]:
    """Each mapping or list of a config with each of its keys, down to what two can't make worse."""
    if depth > 6 or not isinstance(node, dict | list) or len(node) > 50:
        return []
    keys = list(node) if isinstance(node, dict) else range(len(node))
    found = [(node, key) for key in keys]
    for key in keys:
        found += _places(node[key], depth + 1)
    return found


def _mappings(node: object) -> list[dict]:
    """The mappings of a config, itself among them."""
    return [node, *(above[key] for above, key in _places(node) if isinstance(above[key], dict))]


def mutated(values: dict, choose: Callable) -> dict:
    """A copy of a config with one thing removed, renamed, replaced or added.

    Args:
        values: the config.
        choose: of a list one item, as `random.choice`.

    """
    values = _copied(values)
    places = _places(values)
    what = choose(["replace", "replace", "replace", "add", "add", "remove", "rename"])
    if what == "add" or not places:
        choose(_mappings(values))[choose(KEYS)] = choose(VALUES)
        return values
    node, key = choose(places)
    if what == "replace":
        node[key] = choose(VALUES)
    elif what == "remove" or isinstance(node, list):
        del node[key]
    else:
        node[choose(KEYS)] = node.pop(key)
    return values
