"""Work on images in several processes, their results in order."""

import collections
import itertools
import multiprocessing
import signal

from keras_patchmix.datasets.superimposing.encoding import Work

# Few, so that a process does not wait long for the others; more than one, for less traffic.
_CHUNK = 4


class Workers:
    """Processes that superimpose occluders and encode; with one job, this process does it.

    A process ends when the other end of its pipe is closed, so also when this one is killed.

    Args:
        jobs: Number of processes, 1 or more.
        work: Dict of the arguments of `Work`.
    """

    def __init__(self, jobs, work):
        self._jobs, self._work = jobs, work
        self._processes, self._pipes = [], []

    def __enter__(self):
        if self._jobs > 1:
            context = _context()
            for _ in range(self._jobs):
                here, there = context.Pipe()
                process = context.Process(target=_serve, args=(there, self._work), daemon=True)
                process.start()
                there.close()
                self._processes.append(process)
                self._pipes.append(here)
        return self

    def __exit__(self, *exception):
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join()

    def map(self, items):
        """Does the work on items, a few ahead.

        Args:
            items: Iterator of `Item`s.

        Yields:
            (item, result of `Work`), in the order of the items; None for those without an image.

        Raises:
            ChildProcessError: A process ended.
        """
        if not self._pipes:
            work = Work(**self._work)
            for item in items:
                yield item, None if item.image is None else work(item.image, item.index)
            return
        items = iter(items)
        chunks = iter(lambda: list(itertools.islice(items, _CHUNK)), [])
        # A pipe gets its next chunk when its last result is here: neither end waits to be read
        # while it writes.
        waiting = collections.deque()
        for pipe, chunk in zip(self._pipes, chunks):  # noqa: B905 (as many as there are)
            waiting.append(_sent(pipe, chunk))
        while waiting:
            pipe, chunk = waiting.popleft()
            results = _received(pipe)
            following = next(chunks, None)
            if following is not None:
                waiting.append(_sent(pipe, following))
            yield from zip(chunk, results, strict=True)


def _context():
    methods = multiprocessing.get_all_start_methods()
    # A process forked from this one could inherit TensorFlow's locks. The server imports all that
    # is needed once for all.
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload([__name__])
    return context


def _sent(pipe, chunk):
    try:
        pipe.send([(item.image, item.index) for item in chunk])
    except OSError as error:
        raise ChildProcessError(_ENDED) from error
    return pipe, chunk


def _received(pipe):
    try:
        results = pipe.recv()
    except (EOFError, OSError) as error:
        raise ChildProcessError(_ENDED) from error
    if isinstance(results, Exception):
        raise results
    return results


_ENDED = "a process of --jobs ended, perhaps for want of memory; fewer --jobs need less"


def _serve(pipe, work):
    # Ctrl-C goes to all processes of a terminal: the first one decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work = Work(**work)
    while True:
        try:
            tasks = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer = [None if image is None else work(image, index) for image, index in tasks]
        except Exception as error:
            answer = error
        try:
            pipe.send(answer)
        except OSError:
            return
