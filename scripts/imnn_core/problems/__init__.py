"""A simulator with its parameters: a user's own, those that ship with the project, and drawing from them."""

from imnn_core.problems.problem import Problem

__all__ = ["Problem"]
