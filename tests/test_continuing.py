"""A fit that continues another, through their files."""

import numpy as np
import pandas as pd
import pytest
from small_run import do_fit, flat, prepare, read


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("run"))


@pytest.mark.parametrize(
    "recipe",
    [
        {"whiten": True, "augment": "permute", "averaging": 0.7},  # |F| has risen at the end
        {  # and falls all the way
            "augment": "permute",
            "averaging": 0.7,
            "data": "streamed",
            "weights": "final",
            "optimiser": {"learning_rate": 1e-3},
        },
    ],
)
def test_continuing_equals_one_go_through_the_files(folder, recipe):
    """Bit for bit: 7 + 5 iterations and 12, in every tree, the history, the statistics and the
    counters.
    """
    whole = read(do_fit(folder, "whole", max_iterations=12, **recipe), **recipe)
    do_fit(folder, "first", max_iterations=7, **recipe)
    second = read(do_fit(folder, "second", parent="first", max_iterations=5, **recipe), **recipe)
    assert ("weights/average" in whole[0]) == ("averaging" in recipe)
    for name in whole[0]:
        for one, other in zip(flat(second[0][name]), flat(whole[0][name]), strict=True):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(second[1], whole[1])
    for name, values in whole[2]["validation"].items():
        np.testing.assert_array_equal(second[2]["validation"][name], values)
    differ = ("recipe", "made_from")
    assert {k: v for k, v in second[3].items() if k not in differ} == {
        k: v for k, v in whole[3].items() if k not in differ
    }
    assert (folder / "second.csv").read_text() == (folder / "whole.csv").read_text()


def test_a_fit_out_of_patience_gets_new_patience(folder):
    do_fit(folder, "tired", patience=1, max_iterations=500)
    assert read(folder / "tired.h5")[3]["stopped"] == "patience"
    _, history, _, _ = read(do_fit(folder, "fresh", parent="tired", patience=1, max_iterations=3))
    assert len(history) > len(pd.read_csv(folder / "tired.csv"))


def test_a_fit_with_less_patience_than_its_parent_had_lost_gets_new_patience(folder):
    do_fit(folder, "falling", max_iterations=7, optimiser={"learning_rate": 1e-3})
    path = do_fit(
        folder,
        "again",
        parent="falling",
        max_iterations=3,
        patience=4,
        optimiser={"learning_rate": 1e-3},
    )
    assert len(read(path)[1]) == 10
