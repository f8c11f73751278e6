"""The notebook, and the code of docs/inference.md as far as it needs no further package."""

import importlib.util
import re
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

NEEDED = ("torch", "sbi", "blackjax")  # packages that are not this project's


def blocks_of(root):
    text = (root / "docs/inference.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.M | re.S)


def is_there(block):
    """Whether all the packages are here that a block imports."""
    wanted = [name for name in NEEDED if re.search(rf"^(import|from) {name}\b", block, flags=re.M)]
    return all(importlib.util.find_spec(name) for name in wanted)


@pytest.fixture(scope="module")
def after(root, finished, tmp_path_factory):
    """The page's variables after its code, on a fit of the quick run in the default run's place."""
    run = tmp_path_factory.mktemp("page")
    (run / "results").mkdir()
    (run / "results/gaussian").symlink_to(finished / "results/quick")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(run)
        for block in blocks_of(root):
            code = compile(block, "docs/inference.md", "exec")
            if is_there(block):
                exec(code, found)
    return found


def exact(d, low, high):
    """Mean and standard deviation of each parameter's exact posterior, by quadrature on a grid."""
    mu, Sigma = (np.linspace(a, b, 801) for a, b in zip(low, high, strict=True))
    away = ((d[:, None] - mu) ** 2).sum(axis=0)[:, None]
    log_p = -0.5 * away / Sigma - len(d) / 2 * np.log(Sigma)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    found = []
    for axis, points in ((1, mu), (0, Sigma)):
        of_one = p.sum(axis=axis)
        mean = of_one @ points
        found.append((mean, np.sqrt(of_one @ (points - mean) ** 2)))
    return np.array(found).T


def test_rejection_gives_the_exact_posterior(after):
    """Oracle: the exact posterior by quadrature; within a quarter of its width, since summaries of
    a short fit lose something, and 1 % of the prior's draws are kept.
    """
    mean, width = exact(after["observed"], after["low"], after["high"])
    kept = after["kept"]
    assert np.abs((kept.mean(axis=0) - mean) / width).max() < 0.25
    np.testing.assert_allclose(kept.std(axis=0), width, rtol=0.3)


def test_the_density_for_samplers_is_that_of_gaussian_summaries(after):
    """Oracle: numpy: its maximum is at the estimate, and its curvature there is F."""
    estimate = np.asarray(after["of_data"])
    F = after["statistics"].F
    log_density = after["log_density"]
    step = 0.1
    value = float(log_density(estimate.astype("f4")))
    for i in range(2):
        away = step * np.eye(2)[i]
        up, down = (float(log_density((estimate + s * away).astype("f4"))) for s in (1, -1))
        assert value >= max(up, down)
        assert (2 * value - up - down) / step**2 == pytest.approx(F[i, i], rel=0.02)
    assert float(log_density(np.float32([9.0, 1.0]))) == -np.inf


def test_the_notebook_runs(root, finished, tmp_path, monkeypatch):
    """In a fresh kernel, as a user runs it in docs/."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "results/gaussian").symlink_to(finished / "results/quick")
    path = Path(shutil.copy(root / "docs/compress_your_own.ipynb", tmp_path / "docs"))
    notebook = nbformat.read(path, as_version=4)
    assert sum(cell.cell_type == "code" for cell in notebook.cells) == 5
    monkeypatch.setenv("PYTHONPATH", str(root / "scripts"))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", [])]
    assert not [each for each in outputs if each.get("name") == "stderr"]
    assert sum("image/png" in each.get("data", {}) for each in outputs) == 2


def test_the_notebook_shows_what_it_gives_and_no_machine(root):
    text = (root / "docs/compress_your_own.ipynb").read_text(encoding="utf-8")
    assert text.count("image/png") == 2
    assert not re.search(r"/(home|root|tmp|work|Users)/", text)
