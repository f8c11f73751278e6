"""Devices that a recipe asks for, and how data flow to them."""

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest
from imnn_core.config.recipe import Recipe
from imnn_core.gradient import devices
from imnn_core.problems import shipped
from imnn_core.store import machine
from imnn_core.store.errors import InputError
from imnn_core.training import fitter as fitters


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        (
            {"devices": "gpu"},
            "devices: expected a GPU, found none that jax can use .* set `devices: auto`",
        ),
        ({"n_devices": 9}, "n_devices: expected at most 8, the CPU devices here, found 9"),
    ],
)
def test_devices_that_are_not_there(keys, fault):
    with pytest.raises(InputError, match=fault):
        fitters.build(Recipe(**keys), shipped.gaussian())


@pytest.mark.parametrize(
    ("data", "n_bytes", "fused", "why"),
    [
        (
            "auto",
            1000,
            True,
            r"resident, since the sets take 0.001 MB and may take \d+\.\d GB of each device",
        ),
        ("auto", 10**15, False, "streamed, since the sets take 1000000.0 GB and may take "),
        ("resident", 10**15, True, "resident, as the recipe says"),
        ("streamed", 1000, False, "streamed, as the recipe says"),
    ],
)
def test_how_data_flow(data, n_bytes, fused, why):
    fitter = fitters.build(Recipe(data=data, n_devices=1), shipped.gaussian(), n_bytes)
    assert fitter.engine.fused == fused
    assert re.match(why, fitter.why)


def test_a_job_on_a_cluster_has_the_memory_that_it_was_given(monkeypatch):
    """Oracle: by hand: a quarter of the smallest limit."""
    device = jax.devices("cpu")[0]
    whole = devices.memory(device)
    monkeypatch.setattr(machine, "limits_of_groups", lambda: [4 * 10**6, 10**18])
    assert devices.memory(device) == 10**6 < whole


def test_a_gpu_has_what_is_free_on_it():
    """Oracle: by hand: half of the rest, of a stand-in with the numbers of a GPU."""
    gpu = SimpleNamespace(
        platform="gpu", memory_stats=lambda: {"bytes_limit": 1000, "bytes_in_use": 200}
    )
    assert devices.memory(gpu) == 400


def test_a_device_out_of_memory_names_n_per_device():
    """The allocation is real, and more than any machine has."""
    with pytest.raises(
        InputError,
        match="n_per_device: .* found 100; try 50, or `data: streamed` .*[Oo]ut of memory",
    ):
        with devices.memory_for(100):
            jax.jit(lambda: jnp.zeros((10**8, 10**8)).at[3, 4].set(1))()


def test_other_errors_of_jax_are_not_taken_for_want_of_memory():
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"), devices.memory_for(100):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")


@pytest.mark.parametrize("platforms", ["cuda", "nonsense"])
def test_a_platform_that_jax_can_not_use(root, platforms):
    """Of a process of its own: jax asks once."""
    code = "from imnn_core.gradient import devices; devices.choose('auto')"
    environment = os.environ | {"JAX_PLATFORMS": platforms}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=root / "scripts", env=environment, text=True, capture_output=True, check=False
    )
    if done.returncode == 0:  # there is a GPU
        return
    line = done.stderr.splitlines()[-1].partition("InputError: ")[2]
    assert line.startswith(
        "JAX_PLATFORMS: expected what jax can use on this machine, such as cpu, found "
        f"{platforms!r} ("
    )
