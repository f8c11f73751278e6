"""How large, long and many what a configuration or a problem names may be. Imports nothing."""

LONGEST = 100  # characters of a name; most file systems allow 255 bytes, endings included
MOST = 2**31 - 1  # of what is counted, in jax's whole numbers
LARGEST, SMALLEST = 3.4e38, 1.2e-38  # of jax's numbers with all their digits, and a sign
MOST_LAYERS = 200  # of a network, which XLA compiles one by one
MOST_AXES = 28  # of a simulation: HDF5 knows 32, with those of a set and of derivatives
MOST_PARAMETERS = 1000
MOST_OFFSETS = 20  # of a parameter: the weights of more have no digits left


def fault_of_label(name: str) -> str | None:
    """What was expected of a parameter's name or symbol that can't be printed; None if it can."""
    if not name or not name.isprintable() or name != name.strip():
        return "text that can be printed, with no space around it"
    return f"at most {LONGEST} letters" if len(name) > LONGEST else None


def fault_of_parameter(name: str) -> str | None:
    """The same of a parameter's name, which is also part of a dataset's name in HDF5."""
    if "/" in name or name in (".", ".."):
        return "a name without '/', which is part of names of datasets"
    return fault_of_label(name)
