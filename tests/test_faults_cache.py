"""Snakemake's cache between workflows: each seed and split its own, nothing old after a change."""

import h5py
import pytest
from running import edit, results_of, snakemake
from small_files import arrays_of, write
from tiny_project import TINY_RUN, copied, set_of

SETS = [set_of(split, seed) for seed in (1, 2) for split in ("training", "validation", "test")]
FITS = [f"results/tiny/fits/small/seed-{seed}/fit.h5" for seed in (1, 2)]


@pytest.fixture(scope="module")
def cached(root, tmp_path_factory):
    """A function that makes targets in a new folder with one cache, after a change; the folder."""
    cache = tmp_path_factory.mktemp("cache")

    def make(*targets, change=lambda folder: None):
        folder = copied(root, tmp_path_factory.mktemp("workflow"), seeds=[1, 2])
        change(folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(cache))
            snakemake(folder, *TINY_RUN, "--cache", "simulate", "fit", "--", *targets)
        return folder

    return make


def n_from_cache(folder, targets):
    return sum((folder / target).is_symlink() for target in targets)


def was_computed(folder, target):
    """Whether a job has written its log; that of one from the cache is empty."""
    kind = "simulate/seed-1/training/0-40-30" if target == SETS[0] else "fit/small/seed-1"
    return (folder / f"results/tiny/logs/{kind}.log").stat().st_size > 0


def test_the_cache_gives_each_seed_and_split_its_own(cached, tiny):
    """Snakemake leaves wildcards out of account: without them in the parameters all six sets would
    be one. Oracle: the same of one seed without a cache.
    """
    filled = results_of(cached(*SETS, *FITS))
    assert len({filled[path.removeprefix("results/tiny/")] for path in SETS + FITS}) == 8
    of_one = {name: digest for name, digest in filled.items() if "seed-1" in name}
    assert of_one.items() <= results_of(tiny).items()
    folder = cached(*SETS, *FITS)
    assert results_of(folder) == filled
    assert n_from_cache(folder, [*SETS, *FITS]) == 8
    assert not [
        log for log in (folder / "results/tiny/logs").rglob("*.log") if log.stat().st_size
    ]  # nothing was computed


@pytest.mark.parametrize(
    ("path", "old", "new", "again", "kept"),
    [
        (
            "problems/simulations.py",
            "jax.random.fold_in(key, index)",
            "jax.random.fold_in(key, index + 1)",
            [SETS[0], FITS[0]],
            [],
        ),
        ("gradient/fisher.py", "(F + F.T) / 2", "(F + F.T) / 2.001", [FITS[0]], [SETS[0]]),
    ],
)
def test_the_cache_gives_nothing_old_after_a_change_of_the_core(
    cached, path, old, new, again, kept
):
    cached(SETS[0], FITS[0])
    folder = cached(
        SETS[0], FITS[0], change=lambda folder: edit(folder / "scripts/imnn_core" / path, old, new)
    )
    made = [target for target in (SETS[0], FITS[0]) if was_computed(folder, target)]
    assert made == again
    assert n_from_cache(folder, kept) == len(kept)


@pytest.mark.long
def test_the_cache_knows_a_users_file(root, tmp_path, monkeypatch):
    """The fit of another file is not that of this one, whatever its time of modification.

    Nor that of the same under another name, which stands in the sets: it would not be known to be a
    fit to these.
    """
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path / "cache"))
    found = []
    for i, (scale, name) in enumerate(
        ((1, "mine.h5"), (2, "mine.h5"), (1, "mine.h5"), (1, "same.h5"))
    ):
        folder = tmp_path / f"{i}"
        copied(root, folder)
        text = (folder / "tiny.yaml").read_text()
        sizes = ('"n_s": 40, "n_d": 30, "n_test": 60, ', "")
        files = (
            '"simulations": {"training": "NAME", "fractions": {"validation": 0.3, "test": 0.4}}, '
        )
        (folder / "tiny.yaml").write_text(
            text.replace(*sizes).replace('"fits"', files.replace("NAME", name) + '"fits"')
        )
        write(folder / name, {name: scale * array for name, array in arrays_of(120, 100).items()})
        # what evaluates sees that the fit is one to these sets
        wanted = FITS[0] if i < 2 else FITS[0].replace("fit.h5", "information.json")
        snakemake(folder, *TINY_RUN, "--cache", "fit", "--", wanted)
        with h5py.File(folder / FITS[0]) as file:
            found.append((file["history"][:].tolist(), was_computed(folder, FITS[0])))
    assert [computed for _, computed in found] == [True, True, False, True]
    assert found[0][0] == found[2][0] == found[3][0] != found[1][0]
