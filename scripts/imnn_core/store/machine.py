"""The memory of this machine. Imports no jax."""

import os
from collections.abc import Iterator
from pathlib import Path


def limits_of_groups() -> Iterator[int]:
    """Memory limits in bytes of this process's control groups, such as those of a cluster's job."""
    try:
        own = [
            line.strip().split(":", 2)
            for line in Path("/proc/self/cgroup").read_text().splitlines()
        ]
    except OSError:
        return
    for _, controllers, path in own:
        if "memory" in controllers.split(",") or not controllers:
            root, name = ("memory", "memory.limit_in_bytes") if controllers else ("", "memory.max")
            folder = Path("/sys/fs/cgroup", root, path.lstrip("/"))
            for parent in (folder, *folder.parents):
                try:
                    yield int((parent / name).read_text())
                except (OSError, ValueError):  # no such file here, or "max"
                    continue


def memory() -> int:
    """Bytes of memory that this machine has, or that this process may have."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *limits_of_groups()])
