"""What the YAML may say, and how a fault in it is told. Imports no jax."""
