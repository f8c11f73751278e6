"""What the rules need around a job: log, digests, checks, resources. Knows no science."""
