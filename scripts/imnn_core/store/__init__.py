"""Files that are whole or not there: HDF5 with provenance and checksums, texts, and what an error says."""
