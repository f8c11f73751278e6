"""The rules and what each of them needs, as a figure."""

import re
import subprocess
import sys

from imnn_core.figures import graphs, plots, styles
from imnn_core.store.errors import InputError
from imnn_core.workflow.jobs import job, log


def read_graph(dot):
    """Rules and their arrows in Snakemake's graph, a text in dot's language; without `all`, which makes nothing itself."""
    names = dict(re.findall(r'(\d+)\[label = "(\w+)', dot))
    arrows = [(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", dot)]
    # Sorted, since Snakemake gives them in another order each time.
    return sorted(set(names.values()) - {"all"}), sorted(
        arrow for arrow in arrows if "all" not in arrow
    )


def graph_of(path_to_snakefile, path_to_config):
    """Snakemake's own graph of a run's rules, whatever of it is done already."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        path_to_snakefile,
        "--configfile",
        path_to_config,
    ]
    done = subprocess.run(
        [*command, "--forceall", "--rulegraph", "dot"], text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise InputError(
            f"{path_to_config}: expected a run that Snakemake can plan, found: "
            f"{done.stderr.strip().splitlines()[-1]}"
        )
    return read_graph(done.stdout)


def plot_workflow(path_to_snakefile, path_to_config, paths_to_figure, *, style):
    """Draw the rules of a run in the order in which they are done; one file per format."""
    rules, arrows = graph_of(path_to_snakefile, path_to_config)
    with styles.style(style):
        plots.save_all(graphs.graph_figure(rules, arrows), paths_to_figure)
    log.info("wrote %s", ", ".join(map(str, paths_to_figure)))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        plot_workflow(
            path_to_snakefile=snakemake.input.snakefile,
            path_to_config=snakemake.input.config,
            paths_to_figure=snakemake.output,
            style=snakemake.input.style,
        )
