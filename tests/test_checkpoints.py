"""A fit that is interrupted, and goes on from its checkpoint."""

import io

import h5py
import numpy as np
import pytest
from imnn_core.store import heads
from imnn_core.store.errors import InputError
from imnn_core.training import fitter as fitters
from imnn_core.training.checkpoints import Checkpoint
from simulate import simulate
from small_run import PROBLEM, SIZES, NoBar, do_fit


class Interrupt(NoBar):
    """Ends a fit at its n-th line of progress."""

    def __init__(self, n, error=KeyboardInterrupt):
        self.n, self.error = n, error

    def show(self, *args):
        self.n -= 1
        if self.n == 0:
            raise self.error


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    for split in ("training", "validation"):
        simulate(folder / f"{split}.h5", problem=PROBLEM, seed=1, split=split, **SIZES)
    do_fit(folder, "parent", max_iterations=5)
    return folder


@pytest.fixture
def log(caplog):
    caplog.set_level("INFO", logger="imnn")
    return caplog


def interrupt(folder, name, n=1, error=KeyboardInterrupt, **recipe):
    """The checkpoint of a fit that was ended at its n-th line."""
    with pytest.raises(error):
        do_fit(folder, name, bar=Interrupt(n, error), **recipe)
    assert not (folder / f"{name}.h5").exists()
    return folder / f"{name}.checkpoint.h5"


def written(folder, name):
    return [(folder / f"{name}.{kind}").read_bytes() for kind in ("h5", "csv")]


def in_one_go(folder, name, minutes=1e-9, **recipe):
    """What a fit of 12 iterations writes, and its checkpoint at each line of progress, as bytes;
    the fit's own file is gone.
    """
    checkpoint, found = folder / f"{name}.checkpoint.h5", []

    class Look(NoBar):
        def show(self, *args):
            found.append(checkpoint.read_bytes() if checkpoint.exists() else None)

    path = do_fit(folder, name, max_iterations=12, bar=Look(), minutes=minutes, **recipe)
    whole = written(folder, name)
    path.unlink()
    return whole, found


def n_rows(checkpoint):
    return h5py.File(checkpoint)["history"].shape[0]


@pytest.fixture(scope="module")
def sound(folder):
    return in_one_go(folder, "sound")


@pytest.mark.parametrize(
    "recipe",
    [
        {
            "optimiser": {"name": "noisy_sgd", "learning_rate": 1.0e-3, "key": 0},
            "validation": False,
            "n_devices": 2,
        },
        {
            "optimiser": {"learning_rate": 1.0e-2, "mu_dtype": "bfloat16"},
            "whiten": True,
            "augment": "permute",
            "averaging": 0.7,
            "standardise": "all",
        },
        {
            "data": "streamed",
            "n_devices": 2,
            "augment": "permute",
            "averaging": 0.7,
            "weights": "final",
        },
        {"parent": "parent", "on_the_fly": True},
    ],
)
def test_interrupted_and_resumed_is_uninterrupted(folder, log, request, recipe):
    """Bit for bit: the fit's file and its history, from its checkpoint after 8 iterations; the fit
    that continues another is really interrupted, there and again at its end.
    """
    name = request.node.name
    checkpoint = folder / f"{name}.checkpoint.h5"
    whole, found = in_one_go(folder, name, **recipe)
    times = 2 if "parent" in recipe else 1
    for _ in range(times):
        if "parent" in recipe:
            interrupt(folder, name, max_iterations=12, **recipe)
        else:
            checkpoint.write_bytes(found[0])
    do_fit(folder, name, max_iterations=12, **recipe)
    assert written(folder, name) == whole
    assert log.text.count("goes on from") == times
    assert not checkpoint.exists()


def test_a_checkpoint_is_saved_whenever_its_minutes_are_over(folder, sound):
    assert [n_rows(io.BytesIO(found)) for found in sound[1]] == [8, 12]
    assert in_one_go(folder, "seldom", minutes=60)[1] == [None, None]


def test_a_checkpoint_of_another_fit_is_left_alone(folder, sound, log):
    changes = {"strength": 9.0, "code": "edited", "validation": False}
    whole, _ = in_one_go(folder, "other", **changes)
    checkpoint = folder / "other.checkpoint.h5"
    checkpoint.write_bytes(sound[1][0])
    do_fit(folder, "other", max_iterations=12, **changes)
    assert (
        f"begins anew, since the checkpoint can't be used: {checkpoint}: it is of another fit, "
        "which differs in code, recipe, validation\n" in log.text
    )
    assert "goes on" not in log.text
    assert written(folder, "other") == whole
    assert not checkpoint.exists()


@pytest.mark.parametrize("fault", ["cut", "flipped", "empty", "a fit", "not HDF5"])
def test_a_broken_checkpoint_is_left_alone(folder, sound, tmp_path, fault):
    """As one of another fit is, whatever it might say."""
    content = sound[1][0]
    at = len(content) // 2
    broken = {
        "cut": content[:at],
        "flipped": content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :],
        "empty": b"",
    }
    broken |= {"a fit": (folder / "parent.h5").read_bytes(), "not HDF5": b"x" * 10000}
    checkpoint, lines = tmp_path / "broken.checkpoint.h5", []
    checkpoint.write_bytes(broken[fault])
    assert Checkpoint(checkpoint, {}, 5, lines.append).resume(None, "") is None
    begins_anew = f"begins anew, since the checkpoint can't be used: {checkpoint}: expected "
    assert [line[: len(begins_anew)] for line in lines] == [begins_anew]


def test_simulations_that_were_made_anew_end_a_checkpoint(folder, sound, log, tmp_path):
    """The identity has the checksums of what the fit reads."""
    for name in ("training", "validation"):
        (tmp_path / f"{name}.h5").write_bytes((folder / f"{name}.h5").read_bytes())
    with h5py.File(tmp_path / "training.h5", "a") as file:
        file["fiducial"][0, 0] += 1
    heads.seal(tmp_path / "training.h5")
    (tmp_path / "fit.checkpoint.h5").write_bytes(sound[1][0])
    do_fit(tmp_path, "fit", max_iterations=12)
    assert "it is of another fit, which differs in training\n" in log.text


def test_a_fit_that_fails_on_its_way_goes_on_and_says_if_in_another_way(folder, log, monkeypatch):
    """As where `data: auto` finds more memory in a job's next attempt."""
    checkpoint = interrupt(folder, "failed", error=InputError, max_iterations=12)
    assert n_rows(checkpoint) == 8
    monkeypatch.setattr(fitters, "how_data_flow", lambda *_: ("streamed", "for this test"))
    do_fit(folder, "failed", max_iterations=12)
    assert f"goes on from {checkpoint} after 8 iterations" in log.text
    assert (
        "warning: streamed on 1 cpu, before resident on 1 cpu: the result is that of one go to "
        "rounding only" in log.text
    )


def test_a_fit_that_diverges_leaves_no_checkpoint(folder):
    """From there it would only diverge again."""
    with pytest.raises(InputError, match="not finite"):
        do_fit(folder, "diverged", max_iterations=30, optimiser={"learning_rate": 1e18})
    assert not (folder / "diverged.checkpoint.h5").exists()


def test_a_signal_between_a_state_and_its_rows_does_no_harm(folder, sound, monkeypatch):
    """The history that is saved has a row for each iteration of the state that is saved."""
    keep = Checkpoint.keep

    class Rows(list):
        def append(self, rows):
            super().append(rows)
            if sum(map(len, self)) > 8:
                raise KeyboardInterrupt

    def keep_in_two_steps(self, state, rows):
        self._rows = Rows(self._rows)
        keep(self, state, rows)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoint, "keep", keep_in_two_steps)
        do_fit(folder, "torn", max_iterations=12)
    assert n_rows(folder / "torn.checkpoint.h5") == 8
    do_fit(folder, "torn", max_iterations=12)
    assert written(folder, "torn") == sound[0]
    assert np.isfinite(h5py.File(folder / "torn.h5")["history"]).all()


def test_a_checkpoint_that_cannot_be_saved_does_not_end_the_fit(folder, sound, log):
    (folder / "blocked.checkpoint.h5").mkdir()  # which a file can't replace
    with pytest.raises(IsADirectoryError):  # of removing it
        do_fit(folder, "blocked", max_iterations=12, minutes=1e-9)
    assert "could not be saved for later: " in log.text
    assert written(folder, "blocked") == sound[0]
