"""Devices that a recipe asks for and that are not there."""

import pytest
from imnn_core import recipes
from imnn_core.config import Recipe
from imnn_core.errors import InputError


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"devices": "gpu"}, "devices: expected a GPU, found none that jax can use .* set `devices: auto`"),
        ({"host": "gpu"}, "host: expected a GPU, found none .* set `host: cpu`"),
        ({"n_devices": 9}, "n_devices: expected at most 8, the CPU devices here, found 9"),
    ],
)
def test_devices_that_are_not_there(keys, fault):
    with pytest.raises(InputError, match=fault):
        recipes.build(Recipe(**keys))
