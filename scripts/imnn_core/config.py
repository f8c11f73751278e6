"""The configuration of a run: types, ranges, defaults and a sentence per key. Imports no jax."""

from typing import Annotated, Any, Literal

from imnn_core import faults
from imnn_core.errors import InputError
from imnn_core.names import nearest
from imnn_core.schema import (
    NETWORKS,
    Count,
    CountOrZero,
    DeepSet,
    Model,
    Name,
    Optimiser,
    Real,
    Recipe,
    Seed,
    not_bool,
)
from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationError, field_validator, model_validator


class ProblemSchema(Model):
    """What a configuration must know of a problem before jax is imported."""

    names: tuple[str, ...]
    theta_fid: tuple[float, ...]
    lower_bounds: tuple[float | None, ...]
    input_shape: tuple[int, ...]


PROBLEMS = {
    "gaussian": ProblemSchema(names=("mu", "Sigma"), theta_fid=(0.0, 1.0), lower_bounds=(None, 0.0), input_shape=(10,)),
    "exponential_rate": ProblemSchema(names=("rate",), theta_fid=(1.0,), lower_bounds=(0.0,), input_shape=(10,)),
    "gaussian_field": ProblemSchema(names=("A", "B"), theta_fid=(1.0, 1.0), lower_bounds=(0.0, None), input_shape=(32, 32)),
}
FILES = "files"

Fraction = Annotated[Real, Field(gt=0, lt=1)]


class Files(Model):
    """Files of simulations in place of a simulator."""

    training: str = Field(
        description="HDF5 or npz: `fiducial` (n_s, *input_shape) and `derivative` (n_d, *input_shape, n_params)."
    )
    validation: str | None = Field(None, description="The same for validation.")
    test: str | None = Field(None, description="The same for the test set.")
    fractions: dict[Literal["validation", "test"], Fraction] = Field(
        {},
        description="Of each set that has no file, the part of the training file's simulations that it gets; drawn by the "
        "seed, simulation by simulation, so that none is in two sets.",
    )

    @model_validator(mode="after")
    def _each_set_has_simulations(self) -> "Files":
        for split in ("validation", "test"):
            given, fraction = getattr(self, split), self.fractions.get(split)
            if given is not None and fraction is not None:
                raise ValueError(f"fractions.{split}: expected none, since {split} has a file, found {fraction:g}")
        if self.test is None and "test" not in self.fractions:
            raise ValueError("expected a test set, by `test: FILE` or by `fractions: {test: 0.2}`, found none")
        if sum(self.fractions.values()) >= 1:
            raise ValueError(f"fractions: expected less than 1 together, found {sum(self.fractions.values()):g}")
        return self

    @property
    def splits(self) -> list[str]:
        """Sets that there are."""
        return [split for split in ("training", "validation", "test") if getattr(self, split) or split in self.fractions]


def _how(simulations: Any) -> str:
    return "drawn" if isinstance(simulations, str) else "files"


class Config(Model):
    """A run: one problem, its simulations, and the recipes that are fitted to them."""

    run: Name = Field("gaussian", description="Name of the run; its results go into `results/<run>/`.")
    problem: str = Field(
        "gaussian",
        description="`gaussian`, `exponential_rate` or `gaussian_field`, see below; or a Python file with a problem of your "
        "own; or `files`, where nothing is known but simulations in files.",
    )
    names: list[str] | None = Field(None, min_length=1, description="Of the parameters, for `problem: files` alone.")
    theta_fid: list[Real] | None = Field(
        None, description="Fiducial parameters, at which F is maximised. The problem's own, if null."
    )
    input_shape: list[Count] | None = Field(
        None, min_length=1, description="Shape of one simulation. The problem's own, if null."
    )
    simulations: Annotated[
        Annotated[Literal["draw", "on_the_fly"], Tag("drawn")] | Annotated[Files, Tag("files")], Discriminator(_how)
    ] = Field(
        "draw",
        description="`draw`: the simulator draws all sets, once. `on_the_fly`: the training set is drawn anew in every "
        "iteration and never stored. Or a mapping of files, see below.",
    )
    derivative: Literal["exact", "finite_difference"] = Field(
        "exact",
        description="By the parameters: `exact`, by JAX through the simulator; or `finite_difference`, after the network, of "
        "simulations with the same seeds at theta_fid ± delta_theta / 2.",
    )
    delta_theta: list[Annotated[Real, Field(gt=0)]] | None = Field(
        None, description="For `finite_difference`, the distance of the two values of each parameter."
    )
    seeds: list[Seed] = Field(
        [1, 2, 3], min_length=1, description="One set of simulations, and one fit of each recipe, per seed (32 bits)."
    )
    n_s: Count = Field(1000, description="Simulations at theta_fid in the training set; as many for validation.")
    n_d: Count = Field(1000, description="How many of them have derivatives by the parameters; at most n_s.")
    n_test: Count = Field(
        50000, description="Simulations, all with derivatives, in the test set, which alone gives the published |F|."
    )
    n_monte_carlo: Annotated[int, Field(ge=2), BeforeValidator(not_bool)] = Field(
        100000, description="Simulations for the Monte-Carlo estimate that stands beside the analytic F."
    )
    observed: str | None = Field(
        None,
        description="A file with observed data, `observed` (*input_shape) or (n, *input_shape) in HDF5 or npz, or npy: each "
        "fit compresses them and estimates the parameters.",
    )
    refine: CountOrZero = Field(
        0,
        description="How many times the run is repeated with theta_fid at the estimate from `observed`, as `refined-1`, ….",
    )
    fits: dict[Name, Recipe] = Field(
        {"mlp": Recipe(), "deep_set": Recipe(network=DeepSet(), optimiser=Optimiser(learning_rate=3.0e-3), patience=100)},
        min_length=1,
        description="The recipes, each under a name of its own.",
    )

    @field_validator("problem")
    @classmethod
    def _is_problem(cls, problem: str) -> str:
        if problem in PROBLEMS or problem == FILES or problem.endswith(".py"):
            return problem
        known = [*PROBLEMS, FILES]
        raise ValueError(f"expected {', '.join(known)}, or a Python file such as my_problem.py{nearest(problem, known)}")

    @model_validator(mode="before")
    @classmethod
    def _problems_own(cls, values: Any) -> Any:
        """With theta_fid and input_shape of a problem that ships with the project filled in."""
        if isinstance(values, dict) and (known := PROBLEMS.get(str(values.get("problem", "gaussian")))):
            own = {key: list(getattr(known, key)) for key in ("theta_fid", "input_shape") if values.get(key) is None}
            return values | own
        return values

    @model_validator(mode="after")
    def _consistent(self) -> "Config":
        found = [
            *self._faults_of_problem(),
            *self._faults_of_simulations(),
            *self._faults_of_derivatives(),
            *self._faults_of_fits(),
        ]
        if found:
            raise ValueError("\n".join(found))
        return self

    @property
    def files(self) -> Files | None:
        """The files of simulations, if any."""
        return self.simulations if isinstance(self.simulations, Files) else None

    @property
    def parameters(self) -> list[str] | None:
        """Names of the parameters, or None where only the user's file knows them."""
        return list(PROBLEMS[self.problem].names) if self.problem in PROBLEMS else self.names

    def _faults_of_problem(self):
        if self.problem == FILES:
            if self.files is None:
                yield f"simulations: expected files, as `problem: files` says, found {self.simulations!r}"
            for key in ("names", "theta_fid", "input_shape"):
                if getattr(self, key) is None:
                    yield f"{key}: expected a value, since `problem: files` has none of its own, found none"
        elif self.names is not None:
            yield f"names: expected none, since the problem has its own, found {self.names}"
        names = self.parameters
        if names is None:
            return
        if len(set(names)) < len(names):
            yield f"names: expected each name once, found {names}"
        for key in ("theta_fid", "delta_theta"):
            value = getattr(self, key)
            if value is not None and len(value) != len(names):
                yield f"{key}: expected {len(names)} numbers ({', '.join(names)}), found {len(value)}"
        if self.problem not in PROBLEMS:
            return
        halves = [step / 2 for step in self.delta_theta or [0] * len(names)]
        for name, value, bound, half in zip(names, self.theta_fid, PROBLEMS[self.problem].lower_bounds, halves, strict=False):
            if bound is not None and value <= bound:
                yield f"theta_fid: expected {name} > {bound:g}, found {value:g}"
            elif bound is not None and value - half <= bound:
                yield f"delta_theta: expected {name} > {bound:g} at theta_fid - delta_theta / 2, found {value - half:g}"

    def _faults_of_simulations(self):
        sizes = self.model_fields_set & {"n_s", "n_d", "n_test"}
        if self.files is None and self.n_d > self.n_s:
            yield f"n_d: expected at most n_s = {self.n_s}, found {self.n_d}"
        if self.files is not None:
            for key in sorted(sizes):
                found = getattr(self, key)
                yield f"{key}: expected none, since the files of `simulations` say how many there are, found {found}"
        repeated = sorted({seed for seed in self.seeds if self.seeds.count(seed) > 1})
        if repeated:
            yield f"seeds: expected each seed once, found {', '.join(map(str, repeated))} more than once"
        if self.refine and self.observed is None:
            yield f"refine: expected 0 without `observed`, from which the estimates come, found {self.refine}"
        if self.refine and self.files is not None:
            yield f"refine: expected 0 with files of simulations, which are at one theta_fid, found {self.refine}"

    def _faults_of_derivatives(self):
        if self.derivative == "exact" and self.delta_theta is not None:
            yield f"delta_theta: expected none unless `derivative: finite_difference`, found {self.delta_theta}"
        if self.derivative == "finite_difference" and self.delta_theta is None:
            yield "delta_theta: expected a distance for each parameter with `derivative: finite_difference`, found none"

    def _faults_of_fits(self):
        names = self.parameters
        widest = max(self.fits, key=lambda name: self.fits[name].n_summaries)
        fewest = self.fits[widest].n_summaries + 3
        for key in ("n_s", "n_test") if self.files is None else ():
            if getattr(self, key) < fewest:
                yield f"{key}: expected at least n_summaries + 3 = {fewest} (of fits.{widest}), found {getattr(self, key)}"
        for name, recipe in self.fits.items():
            where = f"fits.{name}"
            if names is not None and recipe.n_summaries < len(names):
                yield f"{where}.n_summaries: expected at least n_params = {len(names)}, found {recipe.n_summaries}"
            kind = recipe.network.kind
            if kind not in NETWORKS and not self.problem.endswith(".py"):
                near = nearest(kind, NETWORKS)
                yield f"{where}.network.kind: expected {' or '.join(map(repr, NETWORKS))}, found {kind!r}{near}"
            if self.simulations == "on_the_fly":
                if not recipe.validation:
                    yield f"{where}.validation: expected true with `simulations: on_the_fly`, found false"
                if recipe.augment is not None:
                    yield f"{where}.augment: expected null with `simulations: on_the_fly`, found {recipe.augment!r}"
            if self.files is not None and recipe.validation and "validation" not in self.files.splits:
                yield f"{where}.validation: expected false, or validation simulations by a file or a fraction, found true"
            if recipe.continue_from is not None:
                yield from self._faults_of_continuing(name, recipe)

    def _faults_of_continuing(self, name, recipe):
        where, parent = f"fits.{name}.continue_from", recipe.continue_from
        if parent not in self.fits:
            yield f"{where}: expected one of the fits {', '.join(self.fits)}, found {parent!r}{nearest(parent, self.fits)}"
            return
        ancestors = [name]
        while parent in self.fits:
            if parent in ancestors:
                circle = " -> ".join([*ancestors, parent])
                yield f"{where}: expected a chain of fits with a beginning, found the circle {circle}"
                return
            ancestors.append(parent)
            parent = self.fits[parent].continue_from
        start = self.fits[recipe.continue_from]
        for key in ("n_summaries", "network", "standardise", "validation", "averaging"):
            if getattr(recipe, key) != getattr(start, key):
                yield (
                    f"fits.{name}.{key}: expected the same as in {recipe.continue_from!r}, which this fit continues; "
                    f"found {getattr(recipe, key)!r} in place of {getattr(start, key)!r}"
                )
        if recipe.whiten:
            parent = recipe.continue_from
            yield f"fits.{name}.whiten: expected false, since this fit begins with the weights of {parent!r}, found true"
        if recipe.optimiser.name != start.optimiser.name:
            yield (
                f"fits.{name}.optimiser.name: expected {start.optimiser.name!r} as in {recipe.continue_from!r}, whose "
                f"optimiser state this fit continues; found {recipe.optimiser.name!r}"
            )


def read_config(values: dict) -> Config:
    """The configuration, checked and with its defaults filled in.

    Raises:
        InputError: one line per fault; those between keys come once each key is right by itself.

    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise InputError("\n".join(faults.lines(error.errors(), Config))) from None
