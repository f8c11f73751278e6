"""The Fisher information and the exact gradient of the loss, chunk by chunk."""
