"""Figures: arrays in, a Figure out. Imports no jax."""
