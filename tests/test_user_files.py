"""A user's files of simulations: every fault before any fit, splits without a leak, and fits that read them where they lie."""

import re

import h5py
import numpy as np
import pytest
from check_files import check_files
from conftest import everything
from imnn_core import chunks, examples, problems, sets, simulations, user_files
from imnn_core.errors import InputError
from small_run import do_evaluate, do_fit
from use_files import use_files

NAMES = ["mu", "Sigma"]
FILES = {"kind": "files", "names": NAMES, "theta_fid": [0.0, 1.0], "input_shape": [10]}
PROBLEM = problems.build(**FILES)
SHIFTED = problems.build(**FILES, delta_theta=[0.1, 0.2])


def arrays_of(n_s=60, n_d=50, split="training", problem=None):
    problem = problem or examples.gaussian()
    (piece,) = simulations.draw(problem, simulations.stream(1, split), n_s, n_d)
    name = "derivative" if problem.delta_theta is None else "shifted"
    return {"fiducial": piece.fiducial.copy(), name: piece.derivative.copy()}


def write(path, arrays, attributes=()):
    if path.suffix == ".npz":
        np.savez(path, **arrays, **dict(attributes))
        return path
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
        file.attrs.update(dict(attributes))
    return path


def faults_of(path, problem=PROBLEM, is_split=False, **others):
    return user_files.check({"training": path, **others}, problem, is_split)[1]


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_files_without_a_fault(tmp_path, suffix):
    attributes = {"names": NAMES, "theta_fid": [0.0, 1.0]}
    path = write(tmp_path / f"a{suffix}", arrays_of(), attributes)
    other = write(tmp_path / f"b{suffix}", arrays_of(split="test"))
    assert faults_of(path, test=other) == []
    assert faults_of(path, is_split=True) == []


def changed(**changes):
    def change(arrays):
        arrays = arrays | {name: new(arrays[name]) for name, new in changes.items() if new is not None}
        return {name: array for name, array in arrays.items() if changes.get(name, 0) is not None}

    return change


def with_nan(array):
    array = array.copy()
    array[7, 3] = np.nan
    return array


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (changed(derivative=None), "expected a dataset 'derivative', found fiducial"),
        (lambda arrays: {"fiducial": arrays["fiducial"], "derivatives": arrays["derivative"]}, "expected a dataset 'derivative', found derivatives, fiducial (nearest: derivatives)"),
        (lambda arrays: {"fiducial": arrays["fiducial"], "shifted": arrays["derivative"]}, "expected a dataset 'derivative', found fiducial, shifted (`derivative: finite_difference, with delta_theta` takes 'shifted')"),
        (changed(fiducial=lambda d: d.T), "expected fiducial of shape (n_s, 10), found (10, 60); its axes seem to be (*input_shape, n_s): transpose them to (n_s, *input_shape)"),
        (changed(derivative=lambda d: np.moveaxis(d, -1, 1)), "expected derivative of shape (n_d, 10, 2), found (50, 2, 10); its axes seem to be (n_d, n_params, *input_shape): transpose them to (n_d, *input_shape, n_params)"),
        (changed(derivative=lambda d: np.moveaxis(d, -1, 0)), "expected derivative of shape (n_d, 10, 2), found (2, 50, 10); its axes seem to be (n_params, n_d, *input_shape): transpose them to (n_d, *input_shape, n_params)"),
        (changed(derivative=lambda d: d[:, :7]), "expected derivative of shape (n_d, 10, 2), found (50, 7, 2)"),
        (changed(fiducial=lambda d: d.astype(np.float64)), "expected numbers of one size, found float64 in fiducial and float32 in derivative"),
        (changed(fiducial=lambda d: (100 * d).astype(int)), "expected fiducial of float32 or float64, found int64"),
        (changed(fiducial=lambda d: d[:1], derivative=lambda d: d[:1]), "expected at least n_params + 3 = 5 simulations, found 1"),
        (changed(fiducial=lambda d: d[:40]), "expected at most as many in derivative as in fiducial, 40, found 50"),
        (changed(derivative=lambda d: d[:1]), "expected at least 2 simulations in derivative, found 1"),
        (changed(fiducial=with_nan), "expected finite numbers in fiducial, found NaN, infinity, or what float32 can't hold in 1 of 60 simulations, the first at index 7"),
        (changed(derivative=with_nan), "expected finite numbers in derivative, found NaN, infinity, or what float32 can't hold in 1 of 50 simulations, the first at index 7"),
        (changed(derivative=lambda d: d * np.float32([0, 1])), "expected simulations that depend on mu, found derivative by it that is 0"),
        (changed(fiducial=lambda d: 1e300 * d.astype(float), derivative=lambda d: d.astype(float)), "expected finite numbers in fiducial, found NaN, infinity, or what float32 can't hold in 60 of 60 simulations, the first at index 0"),
        (changed(fiducial=lambda d: np.float32(3)), "expected fiducial of shape (n_s, 10), found ()"),
    ],
)  # fmt: skip
def test_faults_of_a_file(tmp_path, suffix, change, fault):
    arrays = change(arrays_of())
    path = write(tmp_path / f"a{suffix}", dict(sorted(arrays.items())))
    assert fault in [line.removeprefix(f"simulations.training ({path}): ") for line in faults_of(path)]
    assert len(faults_of(path)) in (1, 2)  # a file of one simulation has two faults


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
@pytest.mark.parametrize(
    ("attributes", "fault"),
    [
        ({"names": ["Sigma", "mu"]}, "expected names = ['mu', 'Sigma'] as in the config, found ['Sigma', 'mu']"),
        ({"theta_fid": [0.0, 2.0]}, "expected theta_fid = [0.0, 1.0] as in the config, found [0.0, 2.0]"),
    ],
)
def test_what_a_file_says_of_itself_must_be_so(tmp_path, suffix, attributes, fault):
    path = write(tmp_path / f"a{suffix}", arrays_of(), attributes)
    assert faults_of(path) == [f"simulations.training ({path}): {fault}"]


def test_shifted_simulations(tmp_path):
    from dataclasses import replace

    arrays = arrays_of(problem=replace(examples.gaussian(), delta_theta=[0.1, 0.2]))
    path = write(tmp_path / "a.h5", arrays, {"delta_theta": [0.1, 0.2]})
    assert faults_of(path, SHIFTED) == []
    path = write(tmp_path / "b.h5", arrays, {"delta_theta": [0.1, 0.3]})
    assert faults_of(path, SHIFTED) == [
        f"simulations.training ({path}): expected delta_theta = [0.1, 0.2] as in the config, found [0.1, 0.3]"
    ]
    path = write(tmp_path / "c.h5", arrays | {"shifted": np.moveaxis(arrays["shifted"], 1, 2)[..., :3]})
    assert faults_of(path, SHIFTED)[0].endswith("expected shifted of shape (n_d, 2, 2, 10), found (50, 2, 2, 3)")


def test_all_faults_of_all_files_at_once(tmp_path):
    training = write(tmp_path / "a.h5", changed(derivative=None)(arrays_of()))
    validation = write(tmp_path / "b.npz", changed(fiducial=with_nan, derivative=with_nan)(arrays_of(split="validation")))
    lines = faults_of(training, validation=validation, test=tmp_path / "none.h5")
    assert [line.partition(" ")[0] for line in lines] == ["simulations.training"] + 2 * ["simulations.validation"] + [
        "simulations.test:"
    ]
    assert lines[-1] == f"simulations.test: {tmp_path / 'none.h5'}: expected a file, found none there"


def test_files_that_are_none(tmp_path):
    (tmp_path / "text.h5").write_text("hello")
    np.save(tmp_path / "pickle.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "pickle.npz", fiducial=np.array([{"a": 1}], dtype=object), derivative=np.ones(3))
    for name in ("text.h5", "pickle.npy", "pickle.npz"):
        (line,) = faults_of(tmp_path / name)
        assert line.endswith(
            f"{name}: expected an HDF5, npz or npy file, found: something else, or a pickle, which is not read"
        )
    whole = write(tmp_path / "a.npz", arrays_of()).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (line,) = faults_of(tmp_path / "cut.npz")
    assert "cut.npz: expected an HDF5, npz or npy file, found: File is not a zip file" in line
    with h5py.File(tmp_path / "group.h5", "w") as file:
        file.create_group("fiducial")
        file["derivative"] = arrays_of()["derivative"]
    (line,) = faults_of(tmp_path / "group.h5")
    assert "expected a dataset 'fiducial', found derivative, fiducial" in line


def test_simulations_in_two_sets_are_found(tmp_path, monkeypatch):
    """Three of the test set are the training set's, in another order."""
    monkeypatch.setattr(user_files, "BYTES", 300)
    training, test = arrays_of(), arrays_of(split="test")
    test["fiducial"][[5, 20, 40]] = training["fiducial"][[33, 8, 2]]
    paths = {name: write(tmp_path / f"{name}.h5", arrays) for name, arrays in (("training", training), ("test", test))}
    (line,) = user_files.check(paths, PROBLEM, False)[1]
    assert line.startswith("simulations: expected different simulations in training and test, found 3 in both, such as index ")
    one, other = map(int, re.search(r"index (\d+) of training and index (\d+) of test", line).groups())
    assert {33: 5, 8: 20, 2: 40}[one] == other
    for arrays in (training, test):  # which begin with the same number, but for that
        arrays["fiducial"][:, 0] = 1
    path = write(tmp_path / "prefix.h5", training)
    assert len(faults_of(path, test=write(tmp_path / "other.h5", test))) == 1
    training["fiducial"][11] = training["fiducial"][50]
    path = write(tmp_path / "again.h5", training)
    assert faults_of(path) == []
    (line,) = faults_of(path, is_split=True)
    assert line.endswith("since it is split into sets, found 1 twice, such as index 11 and 50")


def test_discrete_simulations_may_repeat_and_big_endian_numbers_are_read(tmp_path, rng):
    arrays = [{"fiducial": rng.poisson(1, (60, 10)).clip(0, 1) * np.ones(10) * (np.arange(10) < 3)} for _ in range(2)]
    paths = []
    for i, one in enumerate(arrays):
        one["derivative"] = rng.standard_normal((50, 10, 2))
        paths.append(write(tmp_path / f"{i}.h5", {name: array.astype(">f4") for name, array in one.items()}))
    assert faults_of(paths[0], test=paths[1]) == []


def test_a_file_of_links_is_read_where_they_lead(tmp_path):
    """Oracle: h5py's own reading; the numbers lie elsewhere in the other file than in this one."""
    arrays = arrays_of()
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["before"] = np.zeros(12345)
        for name, array in arrays.items():
            file[name] = array
    with h5py.File(tmp_path / "links.h5", "w") as file:
        file["before"] = np.zeros(200000)
        for name in arrays:
            file[name] = h5py.ExternalLink("data.h5", name)
    with sets.open_users(tmp_path / "links.h5", PROBLEM) as source:
        for found, expected in zip(everything(source), arrays.values(), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_references_change_with_the_numbers_that_they_mean(tmp_path):
    """Else Snakemake, which compares small files by content, would keep an old fit."""
    path = write(tmp_path / "a.h5", arrays_of())
    first = use(tmp_path, {"training": path})[1, "training"].read_bytes()
    assert use(tmp_path, {"training": path})[1, "training"].read_bytes() == first
    write(path, changed(derivative=lambda d: 2 * d)(arrays_of()))
    assert use(tmp_path, {"training": path})[1, "training"].read_bytes() != first


def test_a_selection_of_few_rows_reads_a_bounded_span(rng, monkeypatch):
    monkeypatch.setattr(chunks, "SMALL", 10**6)
    monkeypatch.setattr(chunks, "SPAN", 20 * 24)
    read, source = [], chunks.in_memory(rng.standard_normal((1000, 3)), rng.standard_normal((1000, 3, 2)))
    counted = source._replace(read=lambda name, start, out: (read.append(len(out)), source.read(name, start, out))[1])
    rows = np.sort(rng.choice(1000, 50, replace=False))
    found = np.empty((50, 3))
    chunks.select(counted, rows).read("fiducial", 0, found)
    assert max(read) <= 20
    assert sum(read) < 1000


def test_mixed_sizes_of_numbers_between_files(tmp_path):
    training = write(tmp_path / "a.h5", arrays_of())
    test = write(tmp_path / "b.h5", {name: array.astype(np.float64) for name, array in arrays_of(split="test").items()})
    assert faults_of(training, test=test) == [
        "simulations: expected numbers of one size in all files, found float32 in training, float64 in test"
    ]


@pytest.mark.parametrize(("n_s", "n_d"), [(1000, 1000), (1000, 300), (37, 10)])
def test_a_split_has_each_simulation_once_and_its_share_of_derivatives(n_s, n_d):
    fractions = {"validation": 0.3, "test": 0.25}
    parts = user_files.split_rows(n_s, n_d, fractions, 1)
    np.testing.assert_array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(n_s))
    for split, rows in parts.items():
        assert (np.diff(rows) > 0).all()
        share = fractions.get(split, 0.45)
        assert abs(len(rows) - share * n_s) <= 2
        assert abs((rows < n_d).sum() - share * n_d) <= 1
    again, other = (user_files.split_rows(n_s, n_d, fractions, seed) for seed in (1, 2))
    np.testing.assert_array_equal(again["test"], parts["test"])
    assert not np.array_equal(other["test"], parts["test"])


@pytest.mark.parametrize("small", [1, 50, 10**6])
def test_rows_of_a_selection_are_those_of_the_source(rng, monkeypatch, small):
    """Oracle: numpy's indexing; whatever is read together."""
    monkeypatch.setattr(chunks, "SMALL", small)
    monkeypatch.setattr(chunks, "SPAN", 200)
    fiducial, derivative = rng.standard_normal((100, 3)), rng.standard_normal((60, 3, 2))
    rows = np.sort(rng.choice(100, 37, replace=False))
    source = chunks.select(chunks.in_memory(fiducial, derivative), rows)
    found = everything(source)
    np.testing.assert_array_equal(found[0], fiducial[rows])
    np.testing.assert_array_equal(found[1], derivative[rows[rows < 60]])
    part = np.empty((5, 3))
    source.read("fiducial", 20, part)
    np.testing.assert_array_equal(part, fiducial[rows[20:25]])
    source.read("fiducial", 37, part[:0])


def use(folder, paths, fractions=(), seeds=(1,), problem=FILES):
    check_files(
        {split: str(path) for split, path in paths.items()}, folder / "checked.json", problem=problem, is_split=bool(fractions)
    )
    outputs = {}
    for seed in seeds:
        of_seed = {split: folder / f"seed-{seed}-{split}.h5" for split in [*paths, *dict(fractions)]}
        use_files(folder / "checked.json", of_seed, problem=problem, fractions=dict(fractions), seed=seed)
        outputs |= {(seed, split): path for split, path in of_seed.items()}
    return outputs


@pytest.mark.parametrize("form", ["h5", "npz", "compressed", "float64"])
def test_sets_of_a_split_file(tmp_path, form):
    """Oracle: the file's own numbers, read by h5py and numpy; each is in one set, with its own derivative; and none is copied."""
    arrays = arrays_of(800, 500)
    if form == "float64":
        arrays = {name: array.astype(np.float64) for name, array in arrays.items()}
    path = write(tmp_path / ("a.npz" if form == "npz" else "a.h5"), arrays)
    if form == "compressed":
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file.create_dataset(name, data=array, compression="gzip", chunks=True)
    outputs = use(tmp_path, {"training": path}, {"validation": 0.25, "test": 0.25}, seeds=(1, 2))
    number = {row.tobytes(): i for i, row in enumerate(arrays["fiducial"].astype(np.float32))}
    of_seed = {1: [], 2: []}
    for (seed, split), output in outputs.items():
        assert output.stat().st_size < 15000  # of 128 kB
        with sets.open_simulations(output, PROBLEM, seed=seed, split=split) as source:
            d, dd = everything(source)
        assert d.dtype == np.float32
        rows = [number[row.tobytes()] for row in d]
        assert (np.diff(rows) > 0).all()
        np.testing.assert_array_equal(dd, arrays["derivative"][[i for i in rows if i < 500]].astype(np.float32))
        of_seed[seed] += rows
    assert sorted(of_seed[1]) == sorted(of_seed[2]) == list(range(800))
    assert of_seed[1] != of_seed[2]


def test_too_few_simulations_for_a_fraction(tmp_path):
    path = write(tmp_path / "a.h5", arrays_of(30, 30))
    with pytest.raises(
        InputError, match="simulations.fractions: expected at least 5 simulations and 2 derivatives in test, found"
    ):
        use(tmp_path, {"training": path}, {"test": 0.1})
    assert not list(tmp_path.glob("seed-1-test.h5"))


def test_a_file_that_has_changed_since_it_was_checked(tmp_path):
    path = write(tmp_path / "a.h5", arrays_of())
    outputs = use(tmp_path, {"training": path})
    write(path, arrays_of(40, 30))
    with pytest.raises(
        InputError, match=f"{path}: expected 60 in fiducial as when it was checked, found 40; run snakemake again"
    ):
        with sets.open_simulations(outputs[1, "training"], PROBLEM, seed=1, split="training"):
            pass


def test_a_streamed_fit_to_files_is_the_fit_to_the_same_simulations(tmp_path):
    """Oracle: the fit to the project's own files of the same simulations, bit for bit; and its evaluation."""
    from small_run import PROBLEM as GAUSSIAN
    from small_run import prepare, read

    own, theirs = tmp_path / "own", tmp_path / "theirs"
    for folder in (own, theirs):
        folder.mkdir()
    prepare(own)
    paths = {}
    for split in ("training", "validation", "test"):
        with h5py.File(own / f"{split}.h5") as file:
            paths[split] = write(tmp_path / f"{split}.h5", {name: file[name][:] for name in ("fiducial", "derivative")})
    for (_, split), output in use(theirs, paths).items():
        output.rename(theirs / f"{split}.h5")
    (theirs / "analytic.json").write_text((own / "analytic.json").read_text())
    do_fit(own, "one", problem=GAUSSIAN, data="streamed", max_iterations=5)
    do_fit(theirs, "one", problem=FILES, data="streamed", max_iterations=5)
    for one, other in zip(read(own / "one.h5")[:3], read(theirs / "one.h5")[:3], strict=True):
        np.testing.assert_equal(one, other)
    found = [do_evaluate(folder, "one", problem=problem) for folder, problem in ((own, GAUSSIAN), (theirs, FILES))]
    expected = found[0]["splits"]["test"]["network"]["F"]["value"]
    np.testing.assert_allclose(found[1]["splits"]["test"]["network"]["F"]["value"], expected, rtol=1e-6)
    assert "score" not in found[1]["splits"]["test"]
