"""How simulations are drawn. Imports no jax."""

from typing import Annotated, Literal

from imnn_core.config.types import Count, Model, not_bool
from pydantic import BeforeValidator, Field


class Simulate(Model):
    """How simulations are drawn: in which parts, by how many processes."""

    n_per_part: Count | None = Field(
        None,
        description="Simulations of a part. Each part of a set is a job and a file of its own. If "
        "null, 100000, or as many as make a thousand parts. A change draws nothing anew.",
    )
    threads: Count | None = Field(
        None,
        description="Worker processes of a numpy simulator, or CPU threads of one in JAX. If "
        "null, a numpy simulator takes all `--cores` of one machine; on a cluster, and in JAX, 1. "
        "A change reruns nothing.",
    )
    n_per_call: Count = Field(
        1000,
        description="Simulations that a simulator in JAX draws in one call. Fewer are seen, and "
        "kept, sooner. A change draws all anew.",
    )
    devices: Literal["cpu", "gpu", "auto"] = Field(
        "cpu",
        description="Where a simulator in JAX runs. `auto`: on a GPU where there is one. A change "
        "draws all anew.",
    )
    keep: bool = Field(
        True,
        description="Whether simulations are kept. If false, they are deleted once all fits are "
        "measured; what needs them later draws them anew.",
    )
    seconds_per_simulation: (
        Annotated[float, Field(gt=0, le=1e9), BeforeValidator(not_bool)] | None
    ) = Field(
        None,
        description="Seconds that a simulation takes, also one at shifted parameters. A cluster "
        "is asked for as much time as a part then needs; and a start says how long all take. A "
        "change reruns nothing.",
    )
