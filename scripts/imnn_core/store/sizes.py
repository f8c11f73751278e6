"""How much is in memory at a time. What computes keeps to it; requests for memory count on it."""

PIECE = 2**25  # bytes of simulations that are drawn or read at a time
BLOCK = 2**21  # bytes of a streamed block, as a rule: enough to hide what a call costs
RUNNING = 2  # streamed blocks on the devices: one is computed while the next one is copied
AHEAD = 4  # blocks that are read before they are needed, while the host updates the weights
# Bytes of activations that a device may hold beyond those of one chunk: side by side, and kept.
ACTIVATIONS = 2**26
MOST_INPUTS = 4096  # of which a linear compression inverts the covariance
FEW_INPUTS = 100  # of which all information in the mean is measured
