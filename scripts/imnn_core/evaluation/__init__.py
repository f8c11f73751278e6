"""The information that summaries keep, and how far to trust it."""
