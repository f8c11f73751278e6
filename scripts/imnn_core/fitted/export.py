"""A compressor as a program with its weights inside, which jax runs without this project."""

import contextlib
import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from imnn_core.fitted.compressor import Compressor
from imnn_core.store import files, texts
from imnn_core.store.errors import InputError, in_a_line
from jax import export as jax_export

PLATFORMS = ("cpu", "cuda", "tpu")
BATCH = "b"  # the number of simulations, any
# Without which a program would name the files in which its operations were written, by their paths.
NAMELESS = {
    "jax_traceback_in_locations_limit": 0,
    "jax_hlo_source_file_canonicalization_regex": ".*",
}
LOAD = (
    "import jax.export, pathlib",
    "program = jax.export.deserialize("
    'bytearray(pathlib.Path("compressor.stablehlo").read_bytes()))',
    "x = program.call(d)",
)
LOAD_LESS_CENTRE = (
    "import jax.export, json, pathlib, numpy as np",
    LOAD[1],
    'about = json.loads(pathlib.Path("compressor.json").read_text())',
    'x = program.call((np.asarray(d, "f8") - about["input"]["centre"]).astype("DTYPE"))',
)


def program(compressor: Compressor) -> bytes:
    """The compressor as `jax.export` serialises it, for all of PLATFORMS.

    A function of simulations as the network sees them, (b, *input_shape) for any b, less the
    centre, in the compressor's dtype; it returns their summaries, (b, n_summaries). `jax.grad`
    goes through it once.

    Raises:
        InputError: jax can't export the network.

    """

    def of_batch(d):
        with jax.default_matmul_precision("highest"):
            return jax.vmap(compressor._apply)(d)

    try:
        with _set(NAMELESS), jax.enable_x64(compressor.dtype == np.float64):
            (b,) = jax_export.symbolic_shape(BATCH)
            d = jax.ShapeDtypeStruct((b, *compressor.input_shape), compressor.dtype)
            exported = jax_export.export(jax.jit(of_batch), platforms=PLATFORMS)(d)
            return bytes(exported.serialize(vjp_order=1))
    except Exception as error:  # whatever jax says of a user's network
        raise InputError(
            f"{compressor.path}: expected a network that jax.export can write for "
            f"{', '.join(PLATFORMS)} and any number of simulations, found {in_a_line(error)}"
        ) from error


@contextlib.contextmanager
def _set(settings: dict[str, Any]) -> Iterator[None]:
    """Settings of jax while the context lasts."""
    before = {name: getattr(jax.config, name) for name in settings}
    try:
        for name, value in settings.items():
            jax.config.update(name, value)
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def description(compressor: Compressor, content: bytes) -> dict[str, Any]:
    """What goes into a program and comes out, how it is loaded, and what was measured of it."""
    dtype = str(compressor.dtype)
    centre = compressor.centre
    goes_in = "simulations" + ("" if centre is None else ", less `centre`, taken off in float64")
    return {
        "file": "compressor.stablehlo",
        "sha256": hashlib.sha256(content).hexdigest(),
        "needs": f"jax {jax.__version__} or up to half a year newer, and flatbuffers, with which "
        "jax.export reads",
        "load": [
            line.replace("DTYPE", dtype) for line in (LOAD if centre is None else LOAD_LESS_CENTRE)
        ],
        "platforms": list(PLATFORMS),
        "input": {
            "what": goes_in,
            "shape": [BATCH, *compressor.input_shape],
            "dtype": dtype,
            "centre": None if centre is None else centre.tolist(),
        },
        "output": {
            "what": "summaries",
            "shape": [BATCH, compressor.n_summaries],
            "dtype": dtype,
        },
        "names": list(compressor.names),
        "theta_fid": compressor.theta_fid.tolist(),
        "estimates": _estimates(compressor),
        "recipe": dict(compressor.recipe),
        "provenance": dict(compressor.provenance),
    }


def _estimates(compressor):
    """How theta is estimated from summaries, with how much it is worth; why not, where it isn't."""
    try:
        measured = compressor.measured
        matrix = measured.weights_of_estimates
        det_F, error = measured.det_F
        return {
            "formula": "theta_fid + (x - mu) @ matrix",
            "mu": measured.statistics.mu.tolist(),
            "matrix": matrix.tolist(),
            "covariance": measured.covariance.tolist(),
            "error": np.sqrt(np.diag(measured.covariance)).tolist(),
            "where": "near theta_fid",
            "det_F": det_F,
            "error_of_det_F": error if math.isfinite(error) else None,
            "n_test": measured.test["n_s"],
            "trusted": not measured.why_not,
            "why_not": measured.why_not,
        }
    except InputError as error:
        return {"formula": None, "trusted": False, "why_not": error.lines}


def write(compressor: Compressor, path: str | Path, path_to_description: str | Path) -> int:
    """Write a program and, as JSON, what it is; how many bytes the program has.

    Raises:
        InputError: see `program`.

    """
    content = program(compressor)
    with files.writing(path) as temporary:
        temporary.write_bytes(content)
    texts.write_json(path_to_description, description(compressor, content))
    return len(content)
