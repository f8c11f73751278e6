"""Problems and files of simulations, as far as a configuration needs them. Imports no jax."""

from typing import Annotated, Literal

from imnn_core.config.types import Model, Path, Real
from pydantic import Field, model_validator


class ProblemSchema(Model):
    """A problem as far as checks of the configuration need it."""

    names: tuple[str, ...]
    theta_fid: tuple[float, ...]
    lower_bounds: tuple[float | None, ...]
    input_shape: tuple[int, ...]


PROBLEMS = {
    "gaussian": ProblemSchema(
        names=("mu", "Sigma"), theta_fid=(0.0, 1.0), lower_bounds=(None, 0.0), input_shape=(10,)
    ),
    "exponential_rate": ProblemSchema(
        names=("rate",), theta_fid=(1.0,), lower_bounds=(0.0,), input_shape=(10,)
    ),
    "gaussian_field": ProblemSchema(
        names=("A", "B"), theta_fid=(1.0, 1.0), lower_bounds=(0.0, None), input_shape=(32, 32)
    ),
}
FILES = "files"  # the problem that consists of simulations in files


def is_file(problem: str) -> bool:
    """Whether the configuration's `problem:` is a user's file."""
    return problem.endswith(".py")


Fraction = Annotated[Real, Field(gt=0, lt=1)]


class Files(Model):
    """Files of simulations in place of a simulator."""

    training: Path = Field(
        description="HDF5 or npz: `fiducial` (n_s, *input_shape) and `derivative` (n_d, "
        "*input_shape, n_params)."
    )
    validation: Path | None = Field(None, description="The same for the validation set.")
    test: Path | None = Field(None, description="The same for the test set.")
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
        known = ("training", "validation", "test")
        return [split for split in known if getattr(self, split) or split in self.fractions]
