"""Fitting: one iteration, the loop, and checkpoints."""
