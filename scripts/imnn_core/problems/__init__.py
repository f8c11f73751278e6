"""Simulators with their parameters, a user's own or the project's, and drawing from them."""

from imnn_core.problems.problem import Problem

__all__ = ["Problem"]
