"""Results that were cut off, changed or emptied: named by whoever reads them, with what to do."""

import json
import logging
import os
import shutil

import h5py
import numpy as np
import pytest
from imnn_core.store import files, fits, hdf5, heads, texts, unchecked
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


def test_a_text_whose_checksum_was_not_copied_along_is_read(tmp_path, caplog):
    texts.write_text(tmp_path / "a.csv", "x\n1\n")
    (tmp_path / ".a.csv.sha256").unlink()
    with caplog.at_level(logging.INFO, "imnn"), unchecked.named():
        assert files.read(tmp_path / "a.csv") == b"x\n1\n"
        assert files.read(tmp_path / "a.csv") == b"x\n1\n"
    (line,) = caplog.messages
    assert line.startswith(f"warning: {tmp_path / 'a.csv'}: read without a checksum")


def message_of(path, read):
    """The one line of an error about a broken file, which names it and what to do."""
    with pytest.raises(InputError) as caught:
        read()
    message = str(caught.value)
    assert message.startswith(f"{path}: expected ")
    assert "run snakemake again to make" in message
    assert message.endswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda beside: beside.write_text(""), "found nothing"),
        (lambda beside: beside.write_bytes(b"\xff\xfe\n" * 9), "found '"),
        (lambda beside: beside.write_text(f"{'0' * 63}  one.json\n"), "found '000"),
        (lambda beside: beside.mkdir(), "found a folder"),
        (os.mkfifo, "found no regular file"),
        (lambda beside: beside.symlink_to("nowhere"), "found No such file"),
        (lambda beside: beside.symlink_to(beside.name), "found Too many levels"),
    ],
    ids=["empty", "binary", "short", "folder", "pipe", "dangling", "loop"],
)
def test_a_broken_checksum_is_named_and_nothing_hangs(whole, tmp_path, make, found):
    path, beside = tmp_path / "one.json", tmp_path / ".one.json.sha256"
    shutil.copy(whole / "one.json", path)
    make(beside)
    message = message_of(path, lambda: texts.read_json(path))
    assert f"expected its checksum in {beside}, {found}" in message
    if beside.is_dir():
        assert f"rm -r {beside} {path}" in message
        with pytest.raises(InputError, match=f"{beside}: expected room for .* found a folder"):
            texts.write_json(path, {})
    else:
        texts.write_json(path, {})
        assert texts.read_json(path) == {}


@pytest.mark.parametrize("name", ["one.json", "one.h5"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_in_place_of_a_result_is_named(tmp_path, name, make):
    path = tmp_path / name
    make(path)
    read = hdf5.opened if name.endswith("h5") else texts.read_json
    assert "found: " in message_of(path, lambda: read(path))


def without(*keys):
    """Write a JSON file anew without one of its values."""

    def change(content):
        values = json.loads(content)
        inner = values
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]
        return json.dumps(values).encode()

    return change


def in_its_place(value):
    return lambda content: json.dumps(value).encode()


def fewer_columns(content):
    return b"\n".join(line.partition(b",")[0] for line in content.split(b"\n"))


TEXTS = [case for case in READERS if not case[0].endswith("h5")]
KEYS = {"analytic.json": [("det_F",)], "one.json": [("fit",), ("splits", "test", "network")]}
CHANGES = {
    "empty": lambda content: b"",
    "binary": lambda content: bytes(range(256)) * 9,
    "not UTF-8": lambda content: content[:-20] + b"\xff\xfe" + content[-20:],
    "cut": lambda content: content[: len(content) // 2],
}
OF_JSON = {
    "list": in_its_place([1, 2]),
    "number": in_its_place(1.0),
    "nested": lambda content: b"[" * 10**5,
}


def changes_of(name):
    if name.endswith("csv"):  # the first rows of a table are a table
        return {each: CHANGES[each] for each in CHANGES if each != "cut"} | {
            "fewer columns": fewer_columns
        }
    if name.endswith("svg"):
        return CHANGES
    return CHANGES | OF_JSON | {f"without {keys[-1]}": without(*keys) for keys in KEYS[name]}


@pytest.mark.parametrize(
    ("reader", "change"),
    [
        pytest.param(i, change, marks=() if (i + j) % 3 == 0 else pytest.mark.long)
        for i, (name, _) in enumerate(TEXTS)
        for j, change in enumerate(changes_of(name))
    ],
    ids=lambda value: f"{TEXTS[value][0]}-{value}" if isinstance(value, int) else value,
)
def test_a_result_that_was_changed_and_has_no_checksum_is_named(
    whole, root, tmp_path, reader, change
):
    """Whatever error it leads to."""
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    name, read = TEXTS[reader]
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(changes_of(name)[change](content))
    (folder / f".{name}.sha256").unlink()
    message_of(folder / name, lambda: read(folder, root))


def test_of_several_results_without_a_checksum_all_are_named(tmp_path):
    paths = [tmp_path / f"{name}.json" for name in "abcde"]
    for path in paths:
        path.write_text("{}")
    with pytest.raises(InputError) as caught:
        summarise(paths[1:], paths[0], tmp_path / "new.csv")
    named = ", ".join(map(str, paths[:1]))
    assert str(caught.value).startswith(f"{named}: expected the result as it was written, found")
    paths[0].write_text('{"names": ["a"]}')
    with pytest.raises(InputError) as caught:
        summarise(paths[1:], paths[0], tmp_path / "new.csv")
    assert str(caught.value).startswith(f"{paths[0]}, {paths[1]}: expected the results as they we")
    assert str(caught.value).endswith(f"make them anew: rm {paths[0]} {paths[1]}")


def test_an_error_after_results_with_their_checksums_stays_what_it_is(tmp_path):
    """It is a fault of this project, of which a result is not to blame."""
    texts.write_json(tmp_path / "a.json", {})
    with pytest.raises(KeyError):
        summarise([], tmp_path / "a.json", tmp_path / "new.csv")


def opened_fit(path):
    """All that a fit's file has, but for what its weights look like."""
    fits.read_fit(path, {})
    fits.read_arrays(path, "weights/best/0")


def test_a_damaged_file_that_bears_its_checksum_is_named_or_read(whole, tmp_path, rng):
    """HDF5's own structures, damaged before the checksum was taken: one line, whatever breaks."""
    path, content = tmp_path / "one.h5", (whole / "one.h5").read_bytes()
    kinds = set()
    for at in [*range(heads.SIZE, 2600, 96), *rng.integers(4000, len(content), 20)]:
        path.write_bytes(content[:at] + rng.bytes(8) + content[at + 8 :])
        heads.seal(path)
        try:
            opened_fit(path)
        except InputError as error:
            assert str(error).startswith(f"{path}: expected ")
            assert "\n" not in str(error)
            kinds.add(str(error).partition("found ")[2][:20])
    assert len(kinds) > 2
    path.write_bytes(bytes(heads.SIZE) + content[heads.SIZE :])
    assert "found one without its checksum" in message_of(path, lambda: opened_fit(path))


def test_attributes_and_arrays_of_other_kinds_are_named(whole, tmp_path):
    """What h5py can read and this project can't use."""
    path = tmp_path / "one.h5"
    for name, value in (("kind", np.zeros(2)), ("format", "two"), ("history", 3.0)):
        shutil.copy(whole / "one.h5", path)
        with h5py.File(path, "a") as file:
            if name == "history":
                del file[name]
                file[name] = value
            else:
                file.attrs[name] = value
        heads.seal(path)
        message_of(path, lambda: opened_fit(path))


def test_a_fit_to_other_simulations_than_there_are_now_is_not_evaluated(whole, tmp_path):
    """Whatever the times of the files are, which is all that Snakemake looks at."""
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)

    simulate(folder / "training.h5", problem=PROBLEM, seed=1, split="training", **SIZES)
    do_evaluate(folder, "one")  # they are the same bytes
    with h5py.File(folder / "training.h5", "a") as file:
        file["fiducial"][0, 0] += 1
    heads.seal(folder / "training.h5")
    with pytest.raises(
        InputError,
        match=r"one.h5: expected a fit to .*training.h5 as it is now, found one to other simu",
    ):
        do_evaluate(folder, "one")
