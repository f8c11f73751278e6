"""The keys of the configuration, and messages about faults in it. Imports no jax."""
