"""What the recipes of config/ten_seeds.yaml keep, and what they take: figures of a finished run.

    snakemake --cores all --configfile config/ten_seeds.yaml
    python tests/benchmarks/recipes.py results/ten_seeds

Times are those of fits that ran beside each other on the same machine: their ratios mean something,
they themselves don't.
"""

import argparse
from pathlib import Path

import pandas as pd

PLATEAU = 30  # validation |F| by which the classic network is past its beginning


def iterations_to(run, fit, seed):
    """Iterations to validation |F| = PLATEAU; none if it was never reached."""
    history = pd.read_csv(run / "fits" / fit / f"seed-{seed}" / "history.csv")
    reached = history[history["validation_det_F"] >= PLATEAU]
    return reached["iteration"].iloc[0] if len(reached) else None


def seconds(run, fit):
    """Wall time of each seed's fit, by seed, its beginning and compilations included."""
    paths = (run / "benchmarks" / "fit" / fit).glob("seed-*.tsv")
    return pd.Series(
        {
            int(path.stem.removeprefix("seed-")): pd.read_csv(path, sep="\t")["s"].iloc[0]
            for path in paths
        }
    )


def figures(run):
    """Rows (figure, value, low, high, target)."""
    table = pd.read_csv(run / "summary.csv")
    test = table[table["split"] == "test"].set_index(["fit", "seed"])["ratio_to_score"]
    targets = {
        "deep_set": "mean >= 0.995, worst >= 0.99",
        "mlp_permuted": "mean >= 0.98",
        "mlp": "the reference",
    }
    for fit in table["fit"].unique():
        kept = test[fit]
        yield f"kept_by_{fit}", kept.mean(), kept.min(), kept.max(), targets.get(fit, "")
    seeds = sorted(table["seed"].unique())
    if not {"mlp", "mlp_whitened"} <= set(table["fit"]):
        return
    both = pd.DataFrame(
        {
            fit: {seed: iterations_to(run, fit, seed) for seed in seeds}
            for fit in ("mlp_whitened", "mlp")
        }
    )
    ratio = (both["mlp_whitened"] / both["mlp"]).dropna()
    if len(ratio):
        yield (
            f"iterations_whitened_over_not ({len(ratio)} of {len(both)} seeds)",
            ratio.mean(),
            ratio.min(),
            ratio.max(),
            "<= 0.2",
        )
    classic = seconds(run, "mlp")
    for fit in table["fit"].unique():
        if fit != "mlp":
            ratio = seconds(run, fit) / classic
            yield (
                f"time_of_{fit}_over_mlp",
                seconds(run, fit).sum() / classic.sum(),
                ratio.min(),
                ratio.max(),
                "<= 2" * (fit == "deep_set"),
            )


def main():
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of the run's results")
    parser.add_argument("--csv", type=Path, help="write the figures there as well")
    arguments = parser.parse_args()
    table = pd.DataFrame(
        figures(arguments.run), columns=["figure", "value", "low", "high", "target"]
    )
    print(table.to_string(index=False, float_format="%.4f"))
    if arguments.csv:
        table.to_csv(arguments.csv, index=False)


if __name__ == "__main__":
    main()
