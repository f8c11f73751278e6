"""A user's files once they are checked: splits without a leak, references in place of copies, fits
that read them in place.
"""

import h5py
import numpy as np
import pytest
from check_files import check_files
from conftest import everything
from imnn_core.data import links, sets, sources, user_files
from imnn_core.data.arrays import open_users
from imnn_core.store.errors import InputError
from small_files import FILES, PROBLEM, arrays_of, changed, write
from small_run import do_evaluate, do_fit
from use_files import use_files


def use(folder, paths, fractions=(), seeds=(1,), problem=FILES):
    check_files(
        {split: str(path) for split, path in paths.items()},
        folder / "checked.json",
        problem=problem,
    )
    outputs = {}
    for seed in seeds:
        of_seed = {
            split: folder / f"seed-{seed}-{split}.h5" for split in [*paths, *dict(fractions)]
        }
        use_files(
            folder / "checked.json", of_seed, problem=problem, fractions=dict(fractions), seed=seed
        )
        outputs |= {(seed, split): path for split, path in of_seed.items()}
    return outputs


@pytest.mark.parametrize(("n_s", "n_d"), [(1000, 1000), (1000, 300), (37, 10)])
def test_a_split_has_each_simulation_once_and_its_share_of_derivatives(n_s, n_d):
    fractions = {"validation": 0.3, "test": 0.25}
    parts = user_files.split_rows(n_s, [n_d], fractions, 1)
    np.testing.assert_array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(n_s))
    for split, rows in parts.items():
        assert (np.diff(rows) > 0).all()
        share = fractions.get(split, 0.45)
        assert abs(len(rows) - share * n_s) <= 2
        assert abs((rows < n_d).sum() - share * n_d) <= 1
    edges = [n_d // 3, n_d]  # of a parameter with fewer simulations, and of another
    for split, rows in user_files.split_rows(n_s, edges, fractions, 1).items():
        share = fractions.get(split, 0.45)
        assert all(abs((rows < n).sum() - share * n) <= 2 for n in edges)
    again, other = (user_files.split_rows(n_s, [n_d], fractions, seed) for seed in (1, 2))
    np.testing.assert_array_equal(again["test"], parts["test"])
    assert not np.array_equal(other["test"], parts["test"])


@pytest.mark.parametrize("small", [1, 50, 10**6])
def test_rows_of_a_selection_are_those_of_the_source(rng, monkeypatch, small):
    """Oracle: numpy's indexing; whatever is read together."""
    monkeypatch.setattr(sources, "SMALL", small)
    monkeypatch.setattr(sources, "SPAN", 200)
    fiducial, derivative = rng.standard_normal((100, 3)), rng.standard_normal((60, 3, 2))
    rows = np.sort(rng.choice(100, 37, replace=False))
    source = sources.select(sources.in_memory(fiducial, derivative), rows)
    found = everything(source)
    np.testing.assert_array_equal(found[0], fiducial[rows])
    np.testing.assert_array_equal(found[1], derivative[rows[rows < 60]])
    part = np.empty((5, 3))
    source.read("fiducial", 20, part)
    np.testing.assert_array_equal(part, fiducial[rows[20:25]])
    source.read("fiducial", 37, part[:0])


def test_a_selection_of_few_rows_reads_a_bounded_span(rng, monkeypatch):
    monkeypatch.setattr(sources, "SMALL", 10**6)
    monkeypatch.setattr(sources, "SPAN", 20 * 24)
    read, source = (
        [],
        sources.in_memory(rng.standard_normal((1000, 3)), rng.standard_normal((1000, 3, 2))),
    )
    counted = source._replace(
        read=lambda name, start, out: (read.append(len(out)), source.read(name, start, out))[1]
    )
    rows = np.sort(rng.choice(1000, 50, replace=False))
    found = np.empty((50, 3))
    sources.select(counted, rows).read("fiducial", 0, found)
    assert max(read) <= 20
    assert sum(read) < 1000


@pytest.mark.parametrize("form", ["h5", "npz", "compressed", "float64"])
def test_sets_of_a_split_file(tmp_path, form):
    """Oracle: the file's own numbers; each is in one set, with its own derivative; and none is
    copied.
    """
    arrays = arrays_of(800, 500)
    if form == "float64":
        arrays = {name: array.astype(np.float64) for name, array in arrays.items()}
    path = write(tmp_path / ("a.npz" if form == "npz" else "a.h5"), arrays)
    if form == "compressed":
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file.create_dataset(name, data=array, compression="gzip", chunks=True)
    outputs = use(tmp_path, {"training": path}, {"validation": 0.25, "test": 0.25}, seeds=(1, 2))
    number = {row.tobytes(): i for i, row in enumerate(arrays["fiducial"])}
    of_seed = {1: [], 2: []}
    for (seed, split), output in outputs.items():
        assert output.stat().st_size < 15000  # of 128 kB
        with sets.open_simulations(output, PROBLEM, seed=seed, split=split) as source:
            d, dd = everything(source)
        assert d.dtype == arrays["fiducial"].dtype
        rows = [number[row.tobytes()] for row in d]
        assert (np.diff(rows) > 0).all()
        np.testing.assert_array_equal(dd, arrays["derivative"][[i for i in rows if i < 500]])
        of_seed[seed] += rows
    assert sorted(of_seed[1]) == sorted(of_seed[2]) == list(range(800))
    assert of_seed[1] != of_seed[2]


def test_too_few_simulations_for_a_fraction(tmp_path):
    path = write(tmp_path / "a.h5", arrays_of(30, 30))
    with pytest.raises(
        InputError,
        match=r"at least n_summaries \+ 3 = 5 simulations and 2 derivatives in test, found",
    ):
        use(tmp_path, {"training": path}, {"test": 0.1})
    assert not list(tmp_path.glob("seed-1-test.h5"))


def links_elsewhere(file, folder):
    file["fiducial"] = h5py.ExternalLink("data.h5", "fiducial")


def links_to_a_link(file, folder):
    file["link"] = h5py.ExternalLink("data.h5", "fiducial")
    file["fiducial"] = h5py.SoftLink("/link")


def raw_elsewhere(file, folder):
    arrays_of()["fiducial"].tofile(folder / "data.h5")
    file.create_dataset(
        "fiducial", (60, 10), "f4", external=[(str(folder / "data.h5"), 0, 60 * 10 * 4)]
    )


def virtual(file, folder):
    layout = h5py.VirtualLayout((60, 10), "f4")
    layout[:] = h5py.VirtualSource("data.h5", "fiducial", shape=(60, 10))
    file.create_virtual_dataset("fiducial", layout)


@pytest.mark.parametrize("make", [links_elsewhere, links_to_a_link, raw_elsewhere, virtual])
def test_numbers_in_other_files_are_read_there_and_those_files_are_known(tmp_path, make):
    """Oracle: h5py's own reading; the numbers lie elsewhere in the other file than in this one."""
    arrays = arrays_of()
    write(tmp_path / "data.h5", {"before": np.zeros(12345)} | arrays)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["before"] = np.zeros(200000)
        make(file, tmp_path)
        file["derivative"] = arrays["derivative"]
    with open_users(tmp_path / "a.h5", PROBLEM) as source:
        for found, expected in zip(everything(source), arrays.values(), strict=True):
            np.testing.assert_array_equal(found, expected)
    assert links.others(tmp_path / "a.h5") == [str(tmp_path / "data.h5")]
    assert links.others(tmp_path / "data.h5") == []


def circle(file, folder):
    file["fiducial"] = h5py.SoftLink("/other")
    file["other"] = h5py.SoftLink("/fiducial")


def dangling(file, folder):
    file["fiducial"] = h5py.ExternalLink("nowhere.h5", "fiducial")


@pytest.mark.parametrize("make", [circle, dangling])
def test_a_link_that_leads_nowhere(tmp_path, make):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        make(file, tmp_path)
        file["derivative"] = arrays_of()["derivative"]
    (line,) = user_files.check({"training": tmp_path / "a.h5"}, PROBLEM).faults
    assert "expected a dataset 'fiducial', found a link that leads nowhere" in line
    assert "\n" not in line


def test_a_link_within_the_file_is_none_to_another(tmp_path):
    arrays = arrays_of()
    path = write(
        tmp_path / "a.h5", {"data": arrays["fiducial"], "derivative": arrays["derivative"]}
    )
    with h5py.File(path, "a") as file:
        file["fiducial"] = h5py.SoftLink("/data")
    assert user_files.check({"training": path}, PROBLEM).faults == []


def test_references_change_with_the_numbers_that_they_mean(tmp_path):
    """Else Snakemake, which compares small files by content, would keep an old fit."""
    path = write(tmp_path / "a.h5", arrays_of())
    first = use(tmp_path, {"training": path})[1, "training"].read_bytes()
    assert use(tmp_path, {"training": path})[1, "training"].read_bytes() == first
    write(path, changed(derivative=lambda d: 2 * d)(arrays_of()))
    assert use(tmp_path, {"training": path})[1, "training"].read_bytes() != first


def test_a_file_that_has_changed_since_it_was_checked(tmp_path):
    path = write(tmp_path / "a.h5", arrays_of())
    outputs = use(tmp_path, {"training": path})
    write(path, arrays_of(40, 30))
    with pytest.raises(
        InputError,
        match=f"{path}: expected 60 in fiducial as when it was checked, found 40; run snakemake "
        "again",
    ):
        with sets.open_simulations(outputs[1, "training"], PROBLEM, seed=1, split="training"):
            pass


def test_numbers_that_went_bad_after_the_check_are_named_in_the_users_own_file(tmp_path):
    """Which nobody is told to delete."""
    arrays = arrays_of()
    path = write(tmp_path / "a.h5", arrays)
    outputs = use(tmp_path, {"training": path})
    arrays["fiducial"][4, 2] = np.nan
    write(path, arrays)
    with pytest.raises(
        InputError,
        match=f"^{path}: expected finite numbers in fiducial, .* index 4; it is a file of your "
        "own$",
    ):
        with sets.open_simulations(outputs[1, "training"], PROBLEM, seed=1, split="training"):
            pass


def test_a_streamed_fit_to_files_is_the_fit_to_the_same_simulations(tmp_path):
    """Oracle: the fit to the project's own files of the same simulations, bit for bit; and its
    evaluation.
    """
    from small_run import PROBLEM as GAUSSIAN
    from small_run import prepare, read

    own, theirs = tmp_path / "own", tmp_path / "theirs"
    for folder in (own, theirs):
        folder.mkdir()
    prepare(own)
    paths = {}
    for split in ("training", "validation", "test"):
        with h5py.File(own / f"{split}.h5") as file:
            paths[split] = write(
                tmp_path / f"{split}.h5",
                {name: file[name][:] for name in ("fiducial", "derivative")},
            )
    for (_, split), output in use(theirs, paths).items():
        output.rename(theirs / f"{split}.h5")
    (theirs / "analytic.json").write_text((own / "analytic.json").read_text())
    do_fit(own, "one", problem=GAUSSIAN, data="streamed", max_iterations=5)
    do_fit(theirs, "one", problem=FILES, data="streamed", max_iterations=5)
    for one, other in zip(read(own / "one.h5")[:3], read(theirs / "one.h5")[:3], strict=True):
        np.testing.assert_equal(one, other)
    found = [
        do_evaluate(folder, "one", problem=problem)
        for folder, problem in ((own, GAUSSIAN), (theirs, FILES))
    ]
    expected = found[0]["splits"]["test"]["network"]["F"]["value"]
    np.testing.assert_allclose(
        found[1]["splits"]["test"]["network"]["F"]["value"], expected, rtol=1e-6
    )
    assert "score" not in found[1]["splits"]["test"]
