"""Sets of simulations in files, in memory or drawn on the fly, and how they are cut into chunks."""
