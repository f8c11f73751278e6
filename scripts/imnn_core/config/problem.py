"""Problems, as far as a configuration needs them. Imports no jax."""

from imnn_core.config.types import Model


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
