"""A set that a thread reads block by block, over and over, a little ahead of its use."""

import copy
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
from imnn_core.data import chunks
from imnn_core.data.chunks import Chunks, Group
from imnn_core.data.sources import Source
from imnn_core.store.sizes import AHEAD, RUNNING


def computed(begun: Iterable[Any]) -> Iterator[Any]:
    """Results of asynchronous calls of jax, in order; RUNNING of them are under way."""
    running = deque()
    for result in begun:
        running.append(result)
        if len(running) == RUNNING:
            yield jax.block_until_ready(running.popleft())
    while running:
        yield jax.block_until_ready(running.popleft())


class Stream:
    """The blocks of a source, in memory of RUNNING + AHEAD of them, however many there are.

    Blocks come in the same order in every pass. While the last ones of a pass are computed the
    first ones of the next are read, so that the reader never waits for a pass to begin.

    n_bytes: of the source.
    blocks: for each group its number of blocks, and the shapes of one.
    """

    def __init__(
        self,
        source: Source,
        groups: tuple[Group, ...],
        sharding: jax.sharding.Sharding,
        once: bool = False,
    ):
        """Begin to read.

        Args:
            source: the simulations.
            groups: how they are cut, see `chunks.cut`.
            sharding: of a block's arrays, over their first axis.
            once: whether there will be one pass only.

        """
        self.n_bytes = source.n_bytes
        self._source, self._groups, self._sharding = source, groups, sharding
        blocks = [(i, block) for i, group in enumerate(groups) for block in range(group.n_blocks)]
        self._n_blocks = len(blocks)
        self._change = None
        self._schedule = iter(blocks) if once else itertools.cycle(blocks)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._ahead = deque()
        for _ in range(RUNNING + AHEAD):
            memory = [chunks.empty(source, group) for group in groups]
            self._read_ahead(memory)
        shapes = [
            jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), block)
            for block in memory
        ]
        self.blocks = list(zip((group.n_blocks for group in groups), shapes, strict=True))

    def _read_ahead(self, memory: list[Chunks]) -> None:
        """Let the reader fill this memory with the next block of the schedule."""
        task = next(self._schedule, None)
        if task is not None:
            i, block = task
            read = self._reader.submit(chunks.fill, self._source, self._groups[i], block, memory[i])
            self._ahead.append((memory, read))

    def map(self, function: Callable[[Chunks], Any]) -> Iterator[Any]:
        """One pass: the results of a function of each block, in order.

        Args:
            function: of a block on the devices; a tree of arrays that does not refer to the block's
                memory.

        Raises:
            Exception: whatever befell the reader.

        """

        def begun():
            for _ in range(self._n_blocks):
                memory, read = self._ahead.popleft()
                block = jax.device_put(read.result(), self._sharding)
                yield memory, function(block if self._change is None else self._change(block))

        for memory, result in computed(begun()):
            self._read_ahead(memory)  # the block's memory is free once its result is there
            yield result

    def changed(self, change: Callable[[Chunks], Chunks]) -> "Stream":
        """The same stream, its blocks changed by a function once they are on the devices."""
        stream = copy.copy(self)
        stream._change = change
        return stream

    def close(self) -> None:
        """Read no more."""
        self._reader.shutdown(cancel_futures=True)
