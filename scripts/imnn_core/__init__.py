"""Information Maximising Neural Networks with aggregated gradients: the scripts' shared core."""

import importlib

# What is offered here, and where it is; imported when it is asked for, since much of it imports
# jax.
_OFFERED = {"Problem": "imnn_core.problems", "load": "imnn_core.fitted.load"}
__all__ = list(_OFFERED)


def __getattr__(name: str):
    if name in _OFFERED:
        return getattr(importlib.import_module(_OFFERED[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
