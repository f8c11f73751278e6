"""Draw the figures of posteriors."""
