"""Networks, and the scaling of simulations before them."""
