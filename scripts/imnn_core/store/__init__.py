"""Files that are written whole or not at all, with checksums; errors and their wording."""
