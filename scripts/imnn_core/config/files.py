"""Sets of simulations in files, as a configuration names them. Imports no jax."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from imnn_core.config.bounds import MOST_OFFSETS, MOST_PARAMETERS
from imnn_core.config.listed import Arrays, Listed, form_of, is_listed
from imnn_core.config.types import Model, Parameter, Path, Real, single
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

SPLITS = ("training", "validation", "test")


def _is_offset(text: str) -> str:
    """Check that a key is an offset; it stays as it was written."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not value:
        raise ValueError("expected an offset from theta_fid, a finite number other than 0")
    single(value)
    return text


def _each_once(offsets: dict[str, Any]) -> dict[str, Any]:
    known = {}
    for text in offsets:
        if (value := float(text)) in known:
            raise ValueError(f"expected each offset once, found {known[value]} and {text}")
        known[value] = text
    return offsets


def _of_offsets(given: Any) -> Any:
    if not isinstance(given, dict):
        raise ValueError("expected a mapping of offsets to files")
    return given


Offset = Annotated[str, AfterValidator(_is_offset)]
Offsets = Annotated[
    dict[Offset, Listed],
    Field(min_length=1, max_length=MOST_OFFSETS),
    BeforeValidator(_of_offsets),
    AfterValidator(_each_once),
]
PARAMETERS_OF_SET = Annotated[
    dict[Parameter, Offsets], Field(min_length=1, max_length=MOST_PARAMETERS), Tag("parameters")
]


def _form_of_shifted(given: Any) -> str:
    if not isinstance(given, dict):
        return form_of(given)
    keys = set(given)
    is_array = (
        keys and keys <= set(Arrays.model_fields) and not isinstance(given.get("files"), dict)
    )
    return "mapping" if is_array else "parameters"


class Set(Model):
    """A set of simulations whose arrays lie in files of their own."""

    fiducial: Listed = Field(description="Simulations at theta_fid, (n_s, *input_shape).")
    derivative: Listed | None = Field(
        None,
        description="The derivatives of the first n_d of them, (n_d, *input_shape, n_params).",
    )
    shifted: (
        Annotated[
            Annotated[Path, Tag("path")]
            | Annotated[list[Path], Field(min_length=1, max_length=10**6), Tag("list")]
            | Annotated[Arrays, Tag("mapping")]
            | PARAMETERS_OF_SET,
            Discriminator(_form_of_shifted),
            BeforeValidator(is_listed),
        ]
        | None
    ) = Field(
        None,
        description="In place of `derivative`, simulations with the seeds of the first fiducial "
        "ones at shifted parameters: for each parameter, each offset from theta_fid with its "
        "files, `{Mnu: {0.1: FILE, 0.2: FILE}}`, each (n, *input_shape); or one array (n_d, 2, "
        "n_params, *input_shape), with `delta_theta`.",
    )

    @model_validator(mode="after")
    def _has_derivatives(self) -> "Set":
        given = [key for key in ("derivative", "shifted") if getattr(self, key) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"expected either `derivative` or `shifted`, found {found}")
        return self

    @property
    def offsets(self) -> dict[str, list[float]] | None:
        """Offsets of each parameter's simulations, rising; None if they are not named."""
        if not isinstance(self.shifted, dict):
            return None
        return {name: sorted(map(float, each)) for name, each in self.shifted.items()}

    def listed(self) -> Iterator[tuple[str, "Path | list[Path] | Arrays"]]:
        """What names each array, with its key."""
        for part in ("fiducial", "derivative", "shifted"):
            given = getattr(self, part)
            if isinstance(given, dict):
                for name, offsets in given.items():
                    yield from ((f"{part}.{name}.{key}", each) for key, each in offsets.items())
            elif given is not None:
                yield part, given


def _is_set(given: Any) -> Any:
    if not isinstance(given, str | dict | Set):
        raise ValueError("expected a path, or a mapping with the key `fiducial`")
    return given


Given = Annotated[
    Annotated[Path, Tag("path")] | Annotated[Set, Tag("set")],
    Discriminator(lambda given: "path" if isinstance(given, str) else "set"),
    BeforeValidator(_is_set),
]
Fraction = Annotated[Real, Field(gt=0, lt=1)]


class Files(Model):
    """Files of simulations in place of a simulator."""

    training: Given = Field(
        description="HDF5 or npz: `fiducial` (n_s, *input_shape) and `derivative` (n_d, "
        "*input_shape, n_params). Or a mapping of arrays to files, see below.",
    )
    validation: Given | None = Field(None, description="The same for the validation set.")
    test: Given | None = Field(None, description="The same for the test set.")
    fractions: dict[Literal["validation", "test"], Fraction] = Field(
        {},
        description="For each set without a file: the fraction of the training file's "
        "simulations that it gets. The seed decides for each simulation, so that "
        "none is in two sets.",
    )

    @model_validator(mode="after")
    def _each_set_has_simulations(self) -> "Files":
        for split in ("validation", "test"):
            given, fraction = getattr(self, split), self.fractions.get(split)
            if given is not None and fraction is not None:
                raise ValueError(
                    f"fractions.{split}: expected none, since {split} has a file, found "
                    f"{fraction:g}"
                )
        if self.test is None and "test" not in self.fractions:
            raise ValueError(
                "expected a test set, by `test: FILE` or by `fractions: {test: 0.2}`, found none"
            )
        if sum(self.fractions.values()) >= 1:
            raise ValueError(
                f"fractions: expected less than 1 together, found {sum(self.fractions.values()):g}"
            )
        return self

    @property
    def splits(self) -> list[str]:
        """The sets that the files provide."""
        return [split for split in SPLITS if getattr(self, split) or split in self.fractions]

    @property
    def given(self) -> dict[str, str | Set]:
        """What names the simulations of each set that has files of its own."""
        return {split: given for split in SPLITS if (given := getattr(self, split)) is not None}

    @property
    def sets(self) -> dict[str, Set]:
        """Those whose arrays lie in files of their own."""
        return {split: each for split, each in self.given.items() if isinstance(each, Set)}

    @property
    def offsets(self) -> dict[str, list[float]] | None:
        """Offsets of each parameter's simulations, of the first set that names them."""
        named = (each.offsets for each in self.sets.values())
        return next((each for each in named if each is not None), None)


def differences_of(values: dict, names: Any) -> dict:
    """The derivative and delta_theta that files at shifted parameters tell, by their names.

    None are told by files with faults, which are told in their place.
    """
    try:
        files = Files.model_validate(values.get("simulations"))
    except ValidationError:
        return {}
    found, offsets = {}, files.offsets
    if any(each.shifted is not None for each in files.sets.values()):
        found["derivative"] = "finite_difference"
    names = list(offsets or []) if names is None else names
    is_exact = values.get("derivative") == "exact"  # which is told
    if (
        offsets
        and not is_exact
        and isinstance(names, list | tuple)
        and {*map(str, names)} == offsets.keys()
    ):
        found["delta_theta"] = [offsets[str(name)] for name in names]
    return {key: value for key, value in found.items() if values.get(key) is None}
