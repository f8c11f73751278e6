"""Posteriors of parameters from summaries, and how far to believe them."""
