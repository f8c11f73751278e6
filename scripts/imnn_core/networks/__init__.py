"""Networks, and what stands between simulations and them."""
