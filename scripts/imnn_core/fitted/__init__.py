"""A fitted network in a user's hand: load it, call it, give it away, let it compress files."""
