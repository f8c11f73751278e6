"""Arrays of simulations in files, as a configuration names them. Imports no jax."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any

from imnn_core.config.types import Model, Path
from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator

SIMULATIONS, PARAMETERS, SIDES = "n", "n_params", "sides"  # axes whose names are not the user's
NOT_OF_GRID = (SIMULATIONS, PARAMETERS, SIDES)


def fault_of_axes(axes: list[str], n_grid: int | None, further: tuple[str, ...]) -> str | None:
    """What was expected of the order of axes; None if it is right.

    Args:
        axes: their names, in the order of the file.
        n_grid: axes of one simulation; not looked at, if None.
        further: names of the array's axes other than `n` and those of a simulation.

    """
    of_grid = [name for name in axes if name not in NOT_OF_GRID]
    needed = [name for name in axes if name in NOT_OF_GRID and name != SIMULATIONS]
    is_right = sorted(needed) == sorted(further) and of_grid and len(set(axes)) == len(axes)
    if is_right and n_grid in (None, len(of_grid)):
        return None
    known = ", ".join(map(repr, (SIMULATIONS, *further)))
    n = "a name for each axis" if n_grid is None else f"{n_grid} other name{'s' * (n_grid > 1)}"
    return f"{known} and {n} of input_shape, each once (without 'n', if a file has one simulation)"


class Arrays(Model):
    """Files of arrays, with what tells where in them the simulations are."""

    files: Annotated[
        Annotated[Path, Tag("path")]
        | Annotated[list[Path], Field(min_length=1, max_length=10**6), Tag("list")],
        Discriminator(lambda given: "list" if isinstance(given, list | tuple) else "path"),
    ] = Field(
        description="A path, a pattern (`mocks/*.npy`), a folder, or a list of these. Patterns and "
        "folders are in natural order: `sim_2.npy` before `sim_10.npy`."
    )
    dataset: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="The array in HDF5 and npz files, such as `sims/fiducial`. If null: the "
        "array's usual name, or the only array of a file.",
    )
    axes: list[Annotated[str, Field(min_length=1)]] | None = Field(
        None,
        min_length=1,
        max_length=32,
        description="The axes in the order of the files, if it is not ours: `n` (simulations), "
        "`n_params`, `sides` (minus, plus); all other names are the axes of one simulation in "
        "their order. Without `n`, each file is one simulation.",
    )

    @field_validator("dataset")
    @classmethod
    def _from_the_top(cls, dataset: str | None) -> str | None:
        return dataset and (dataset.strip("/") or dataset)


def entries(given: Any) -> list[str]:
    """Paths, patterns and folders, as they are named.

    Args:
        given: a path, a list of them, or a mapping with `files`, also as `Arrays`.

    """
    files = given["files"] if isinstance(given, Mapping) else getattr(given, "files", given)
    return [str(files)] if isinstance(files, str | PurePath) else list(map(str, files))


def form_of(given: Any) -> str:
    """The kind of what names an array, by which pydantic takes a member of a union."""
    if isinstance(given, list | tuple):
        return "list"
    return "path" if isinstance(given, str) else "mapping"


def is_listed(given: Any) -> Any:
    """Check that this may name an array; it stays as it is."""
    if not isinstance(given, str | list | tuple | dict | Arrays):
        raise ValueError("expected a path, a list of paths, or a mapping with the key `files`")
    return given


# Wherever an array of simulations is named.
Listed = Annotated[
    Annotated[Path, Tag("path")]
    | Annotated[list[Path], Field(min_length=1, max_length=10**6), Tag("list")]
    | Annotated[Arrays, Tag("mapping")],
    Discriminator(form_of),
    BeforeValidator(is_listed),
]
