"""Results that were cut off, changed or emptied: named by whoever reads them, with what to do."""

import shutil

import h5py
import pytest
from imnn_core.store import files, hdf5
from imnn_core.store.errors import InputError
from plot_fit import plot_fit
from simulate import simulate
from small_run import PROBLEM, SIZES, STYLE, do_evaluate, do_fit, do_report, prepare
from summarise import summarise


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with a chain of results."""
    folder = prepare(tmp_path_factory.mktemp("run"))
    do_fit(folder, "one", max_iterations=3)
    do_fit(folder, "two", parent="one", max_iterations=1)
    do_evaluate(folder, "one")
    draw(folder, "figure")
    return folder


def draw(folder, name="new"):
    figures = {
        which: [str(folder / f"{name}.svg")] for which in ("histories", "history", "estimates")
    }
    plot_fit(
        [folder / "one.csv"],
        [folder / "one.json"],
        folder / "one-estimates.csv",
        folder / "analytic.json",
        figures,
        fits=["one"],
        style=STYLE,
    )


def make_report(folder, root):
    do_report(folder, ["one"], folder / "figure.svg")


READERS = [
    ("training.h5", lambda folder, root: do_fit(folder, "new", max_iterations=1)),
    ("one.h5", lambda folder, root: do_fit(folder, "new", parent="one", max_iterations=1)),
    ("test.h5", lambda folder, root: do_evaluate(folder, "one")),
    ("one.h5", lambda folder, root: do_evaluate(folder, "one")),
    ("analytic.json", lambda folder, root: do_evaluate(folder, "one")),
    ("one.csv", lambda folder, root: draw(folder)),
    ("one-estimates.csv", lambda folder, root: draw(folder)),
    (
        "one.json",
        lambda folder, root: summarise(
            [folder / "one.json"], folder / "analytic.json", folder / "new.csv"
        ),
    ),
    ("one.json", make_report),
    ("figure.svg", make_report),
]


@pytest.mark.parametrize(
    ("reader", "change"),
    [
        pytest.param(i, change, marks=() if j in (0, 1 + i % 3) else pytest.mark.long)
        for i in range(len(READERS))
        for j, change in enumerate(["flipped", "cut", "empty", "missing"])
    ],
    ids=lambda value: f"{READERS[value][0]}-{value}" if isinstance(value, int) else value,
)
def test_a_broken_result_is_named_with_its_remedy(whole, root, tmp_path, reader, change):
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    name, read = READERS[reader]
    content = (folder / name).read_bytes()
    at = len(content) * 2 // 3
    if change == "missing":
        (folder / name).unlink()
    else:
        changed = {
            "cut": content[:at],
            "flipped": content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :],
            "empty": b"",
        }
        (folder / name).write_bytes(changed[change])
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(InputError) as caught:
        read(folder, root)
    message = str(caught.value)
    assert message.startswith(f"{folder / name}: expected ")
    assert message.endswith(
        f"delete it and run snakemake again to make it anew: rm {folder / name}"
    )
    assert "\n" not in message
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_text_whose_checksum_was_not_copied_along_is_read(tmp_path):
    files.write_text(tmp_path / "a.csv", "x\n1\n")
    (tmp_path / ".a.csv.sha256").unlink()
    assert files.read(tmp_path / "a.csv") == b"x\n1\n"


def test_a_fit_to_other_simulations_than_there_are_now_is_not_evaluated(whole, tmp_path):
    """Whatever the times of the files are, which is all that Snakemake looks at."""
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)

    simulate(folder / "training.h5", problem=PROBLEM, seed=1, split="training", **SIZES)
    do_evaluate(folder, "one")  # they are the same bytes
    with h5py.File(folder / "training.h5", "a") as file:
        file["fiducial"][0, 0] += 1
    hdf5.seal(folder / "training.h5")
    with pytest.raises(
        InputError,
        match=r"one.h5: expected a fit to .*training.h5 as it is now, found one to other simu",
    ):
        do_evaluate(folder, "one")
