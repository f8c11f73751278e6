"""A fit as a program with its weights inside, which runs where this project can't be imported."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from export import export
from imnn_core.fitted import export as exported
from imnn_core.networks.inputs import Inputs
from imnn_core.store.errors import InputError
from small_run import PROBLEM
from test_architecture import OWN

BATCHES = (1, 7, 10_000)


@pytest.fixture(scope="module")
def written(compressor, tmp_path_factory):
    """A folder with the program and its description alone."""
    folder = tmp_path_factory.mktemp("given away")
    export(
        compressor.path,
        compressor.path.with_name("information.json"),
        folder / "compressor.stablehlo",
        folder / "compressor.json",
        problem=PROBLEM,
    )
    return folder


def lines_of_the_page(root):
    """The lines of docs/compressing.md that load a program."""
    text = (root / "docs/compressing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.M | re.S)
    (block,) = [block for block in blocks if "deserialize" in block]
    return [line.split("  #")[0] for line in block.splitlines() if line]


# What stands before and after the three lines, in a process that can't import this project.
ALONE = """
import sys
import numpy as np
for name in ("imnn_core", "optax", "h5py", "pydantic"):
    sys.modules[name] = None
for n in {batches}:
    d = np.load(f"d{{n}}.npy")
{lines}
    np.save(f"x{{n}}.npy", x)
"""


def test_three_lines_load_it_where_the_project_is_not(root, compressor, written, rng):
    """Oracle: the loaded fit, for batches of 1, 7 and 10 000; and the three lines are those of the
    description.
    """
    lines = lines_of_the_page(root)
    assert len(lines) == 3
    assert lines == json.loads((written / "compressor.json").read_text())["load"]
    for n in BATCHES:
        np.save(written / f"d{n}.npy", rng.standard_normal((n, 10)).astype("f4"))
    program = ALONE.format(batches=BATCHES, lines="\n".join("    " + line for line in lines))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-I", "-c", program]
    subprocess.run(command, cwd=written, env=environment, check=True)
    for n in BATCHES:
        found, d = np.load(written / f"x{n}.npy"), np.load(written / f"d{n}.npy")
        assert (found.shape, found.dtype) == ((n, 2), np.float32)
        np.testing.assert_allclose(found, compressor(d), rtol=1e-4, atol=1e-5)


def called(content):
    return jax.export.deserialize(bytearray(content)).call


def test_a_gradient_goes_through_it(compressor, written, rng):
    """Oracle: the gradient through the loaded fit."""
    call = called((written / "compressor.stablehlo").read_bytes())
    d = jnp.asarray(rng.standard_normal((7, 10)), jnp.float32)
    found, expected = (jax.grad(lambda d, f=f: (f(d) ** 2).sum())(d) for f in (call, compressor))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_description_says_what_goes_in_and_comes_out(compressor, written, rng):
    """Oracle: the loaded fit's estimates, from the formula in numpy."""
    found = json.loads((written / "compressor.json").read_text())
    assert found["input"]["shape"] == ["b", 10]
    assert found["output"]["shape"] == ["b", 2]
    assert found["platforms"] == ["cpu", "cuda", "tpu"]
    assert found["provenance"]["checksum"] == compressor.provenance["checksum"]
    of = {name: np.array(found["estimates"][name]) for name in ("mu", "matrix", "covariance")}
    d = rng.standard_normal((4, 10))
    estimates = found["theta_fid"] + (compressor(d) - of["mu"]) @ of["matrix"]
    np.testing.assert_allclose(estimates, compressor.estimates(d), rtol=1e-9)
    np.testing.assert_allclose(of["covariance"], compressor.covariance)
    assert found["estimates"]["trusted"]


def test_no_file_is_named_in_it_and_its_bytes_are_the_same_again(compressor, written):
    content = (written / "compressor.stablehlo").read_bytes()
    assert exported.program(compressor) == content
    for place in (b".py", str(compressor.path.parent).encode(), b"imnn", b"site-packages"):
        assert place not in content


@pytest.mark.parametrize("name", OWN)
def test_a_network_of_a_users_own(compressor, name, rng):
    """Oracle: the network itself, one simulation at a time."""
    init, apply = OWN[name](2)
    weights = init(jax.random.key(0), (4,))
    like = {"inputs": Inputs(), "input_shape": (4,)}
    own = replace(compressor, **like, _apply=lambda d: apply(weights, d))
    call = called(exported.program(own))
    for n in BATCHES[:2]:
        d = rng.standard_normal((n, 4)).astype("f4")
        expected = np.stack([apply(weights, each) for each in jnp.asarray(d)])
        np.testing.assert_allclose(call(d), expected, rtol=1e-4, atol=1e-5)


def test_a_network_that_can_not_be_exported_is_one_line(compressor):
    def apply(d):
        shape = jax.ShapeDtypeStruct((2,), d.dtype)
        return jax.pure_callback(lambda d: d[:2], shape, d, vmap_method="sequential")

    with pytest.raises(InputError, match="expected a network that jax.export can write for cpu, "):
        exported.program(replace(compressor, _apply=apply))


def test_simulations_far_from_0_go_in_less_their_centre(compressor, rng, tmp_path, monkeypatch):
    """Oracle: the loaded fit, which takes the centre off in float64."""
    centre = 3e7 + np.arange(10.0)
    far = replace(compressor, inputs=compressor.inputs._replace(centre=centre))
    content = exported.program(far)
    about = exported.description(far, content)["input"]
    assert about["what"] == "simulations, less `centre`, taken off in float64"
    d = rng.standard_normal((5, 10)) + centre
    (tmp_path / "compressor.stablehlo").write_bytes(content)
    (tmp_path / "compressor.json").write_text(json.dumps(exported.description(far, content)))
    monkeypatch.chdir(tmp_path)
    found = {"d": d}
    exec("\n".join(exported.description(far, content)["load"]), found)  # as it stands there
    np.testing.assert_allclose(found["x"], far(d), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(far(d.astype(">f8")), far(d))
    np.testing.assert_allclose(far(np.round(d).astype(int)), far(np.round(d)))
    np.testing.assert_allclose(far(d), compressor(d - centre), rtol=1e-4, atol=1e-5)
    for given in (d.astype("f4"), jnp.asarray(d)):
        with pytest.raises(InputError, match="expected float64, since they are far from 0"):
            far(given)
    with jax.enable_x64(True):
        np.testing.assert_allclose(far(jnp.asarray(d)), far(d), rtol=1e-4, atol=1e-5)
