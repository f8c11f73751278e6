"""The configuration of a run: types, ranges, defaults and a sentence per key. Imports no jax."""

from typing import Annotated, Literal

from imnn_core import faults
from imnn_core.errors import InputError
from imnn_core.names import nearest
from imnn_core.schema import Count, DeepSet, Model, Name, Optimiser, Real, Recipe, Seed, not_bool
from pydantic import BeforeValidator, Field, ValidationError, model_validator


class ProblemSchema(Model):
    """What a configuration must know of a problem before jax is imported."""

    names: tuple[str, ...]
    theta_fid: tuple[float, ...]
    lower_bounds: tuple[float | None, ...]
    input_shape: tuple[int, ...]


PROBLEMS = {
    "gaussian": ProblemSchema(names=("mu", "Sigma"), theta_fid=(0.0, 1.0), lower_bounds=(None, 0.0), input_shape=(10,)),
}


class Config(Model):
    """A run: one problem, its simulations, and the recipes that are fitted to them."""

    run: Name = Field("gaussian", description="Name of the run; its results go into `results/<run>/`.")
    problem: Literal[*PROBLEMS] = Field(
        "gaussian", description="`gaussian`: independent draws of N(mu, Sigma), theta = (mu, Sigma), Sigma the variance."
    )
    theta_fid: list[Real] = Field([0.0, 1.0], description="Fiducial parameters, at which F is maximised.")
    input_shape: list[Count] = Field([10], min_length=1, description="Shape of one simulation.")
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
    fits: dict[Name, Recipe] = Field(
        {"mlp": Recipe(), "deep_set": Recipe(network=DeepSet(), optimiser=Optimiser(learning_rate=3.0e-3), patience=100)},
        min_length=1,
        description="The recipes, each under a name of its own.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Config":
        found = [*self._faults_of_simulations(), *self._faults_of_fits()]
        if found:
            raise ValueError("\n".join(found))
        return self

    def _faults_of_simulations(self):
        problem = PROBLEMS[self.problem]
        if len(self.theta_fid) != len(problem.names):
            yield (
                f"theta_fid: expected {len(problem.names)} numbers ({', '.join(problem.names)}), found {len(self.theta_fid)}"
            )
        for name, value, bound in zip(problem.names, self.theta_fid, problem.lower_bounds, strict=False):
            if bound is not None and value <= bound:
                yield f"theta_fid: expected {name} > {bound:g}, found {value:g}"
        if self.n_d > self.n_s:
            yield f"n_d: expected at most n_s = {self.n_s}, found {self.n_d}"
        repeated = sorted({seed for seed in self.seeds if self.seeds.count(seed) > 1})
        if repeated:
            yield f"seeds: expected each seed once, found {', '.join(map(str, repeated))} more than once"

    def _faults_of_fits(self):
        n_params = len(PROBLEMS[self.problem].names)
        widest = max(self.fits, key=lambda name: self.fits[name].n_summaries)
        fewest = self.fits[widest].n_summaries + 3
        for key in ("n_s", "n_test"):
            if getattr(self, key) < fewest:
                yield f"{key}: expected at least n_summaries + 3 = {fewest} (of fits.{widest}), found {getattr(self, key)}"
        for name, recipe in self.fits.items():
            where = f"fits.{name}"
            if recipe.n_summaries < n_params:
                yield f"{where}.n_summaries: expected at least n_params = {n_params}, found {recipe.n_summaries}"
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
        for key in ("n_summaries", "network", "validation", "averaging"):
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
