"""From simulations to summaries: by a fitted network, and by a linear compression."""
