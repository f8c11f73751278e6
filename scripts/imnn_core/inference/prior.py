"""Priors, as `problems.prior` has them."""

from imnn_core.problems.prior import Prior, prior_of

__all__ = ["Prior", "prior_of"]
