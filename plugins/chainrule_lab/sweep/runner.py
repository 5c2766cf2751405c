"""Runs a sweep: the trials that the store lacks, as ensembles, here or in the workers of an executor."""

from __future__ import annotations

import copy
import math
import pickle
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import lru_cache
from multiprocessing import current_process
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import torch

from chainrule import ChainruleError
from chainrule.errors import label, one_line
from chainrule_lab.sweep.ensembles import Outcome, Trained, chunks_of, groups_of, train_each
from chainrule_lab.sweep.memory import SHARE, available, need_of
from chainrule_lab.sweep.progress import Bar
from chainrule_lab.sweep.record import Record
from chainrule_lab.sweep.results import Results
from chainrule_lab.sweep.space import SEED, Settings
from chainrule_lab.sweep.store import Store, located
from chainrule_lab.sweep.trial import Keys, Trial, versions

Make: TypeAlias = Callable[[Settings], Trial]
"""Makes the trial of some settings, the seed not among them, and always the same one."""

Outcomes: TypeAlias = list[Outcome]
"""What became of each trial of an ensemble, in their order."""

TARGETS = ("path", "log_dir")
"""Attributes by which callbacks name what they write."""

GUARD = 'if __name__ == "__main__":'
"""What keeps the workers of a script from doing what it does."""

WAIT = 0.5
"""Seconds after which results that another process computes are looked for again."""


class Workers(NamedTuple):
    """Where ensembles are trained, and how large they may be.

    Attributes:
        executor: any executor; None for this process.
        memory: the bytes that one ensemble may take; a part of what is available if None.
        members: the most members of one ensemble; None for no bound.
    """

    executor: Executor | None = None
    memory: float | None = None
    members: int | None = None


class Member(NamedTuple):
    """A trial with its seed, and the settings that both come from."""

    trial: Trial
    seed: int
    settings: Settings


def run(name: str, make: Make, all_settings: Sequence[Settings], store: str | Path, workers: Workers) -> Results:
    """Train every trial that the store lacks, and return the results of all.

    Args:
        name: of the sweep, in messages and in the store.
        make: makes a trial; picklable where an executor has other processes.
        all_settings: the settings of each trial, its seed among them.
        store: the path of the store.
        workers: where to train.

    Raises:
        ChainruleError: if a trial cannot be made or trained; what was finished before is in the store.
    """
    store = located(store)
    keys, members = Keys(), list(_made(make, all_settings))
    keyed = [(keys.of(member.trial, member.seed), member.settings) for member in members]
    known = {key: member for (key, _), member in zip(keyed, members, strict=True)}
    _expect_repeatable(make, members[0], keyed[0][0])
    _expect_no_files(members)
    with Store(store) as opened:
        opened.register(name, keyed)
        missing = opened.missing(known)
        if missing:
            _expect_no_worker_at_its_start()
        with Bar(name, len(known), len(known) - len(missing)) as bar:
            chunks = _planned({key: known[key] for key in missing}, keys, workers)
            tasks = _Tasks(opened, make, known, bar)
            while missing:
                bar.wait_for_others(waits := not tasks.run(chunks, workers.executor))
                if waits:
                    time.sleep(WAIT)
                missing = opened.missing(missing)
                left = set(missing)
                chunks = [kept for chunk in chunks if (kept := [key for key in chunk if key in left])]
                bar.finished(len(known) - len(missing))
        return Results.of(name, keyed, opened.results(known))


def finished(name: str, make: Make, all_settings: Sequence[Settings], store: str | Path) -> Results:
    """Return the results that the store has of these trials, and train nothing."""
    keys = Keys()
    keyed = [(keys.of(member.trial, member.seed), member.settings) for member in _made(make, all_settings)]
    with Store(store, create=False) as opened:
        return Results.of(name, keyed, opened.results([key for key, _ in keyed]))


class _Tasks:
    """Trains chunks of members, given by their keys, and saves what becomes of them."""

    def __init__(self, store: Store, make: Make, known: Mapping[str, Member], bar: Bar) -> None:
        self._store, self._make, self._known, self._bar = store, make, known, bar

    def run(self, chunks: Iterable[Sequence[str]], executor: Executor | None) -> int:
        """Train what of these chunks no other process has claimed, and return the number of members."""
        return self._run_here(chunks) if executor is None else self._run_in(executor, chunks)

    def _run_here(self, chunks: Iterable[Sequence[str]]) -> int:
        done = 0
        for claimed in self._claimed(chunks):
            members = [self._known[key] for key in claimed]
            advance = self._bar.epochs(len(members), int(members[0].trial.fit.get("epochs", 1)))
            found = train_each([one.trial for one in members], [one.seed for one in members], advance)
            self._save(claimed, found)
            self._expect_trained(claimed, found)
            done += len(claimed)
        return done

    def _run_in(self, executor: Executor, chunks: Iterable[Sequence[str]]) -> int:
        make = self._make if isinstance(executor, ThreadPoolExecutor) else _pickled(self._make)
        running: dict[Future[Outcomes], list[str]] = {}
        done, most = 0, 2 * workers_of(executor)
        try:
            for claimed in self._claimed(chunks):
                settings = [self._known[key].settings for key in claimed]
                running[_submitted(executor, make, settings)] = claimed
                if len(running) >= most:
                    done += self._collect(running)
            while running:
                done += self._collect(running)
        except BaseException as error:
            for future in running:
                future.cancel()
            if isinstance(error, ChainruleError):
                self._save_what_succeeds(running)
            raise
        return done

    def _collect(self, running: dict[Future[Outcomes], list[str]]) -> int:
        """Wait for an ensemble, save all that are done, and return the number of members."""
        done = 0
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            keys = running.pop(future)
            try:
                found = future.result()
            except Exception as error:
                raise _not_trained(self._known[keys[0]].settings, error) from error
            self._save(keys, found)
            self._expect_trained(keys, found)
            self._bar.advance(len(keys))
            done += len(keys)
        return done

    def _save_what_succeeds(self, running: Mapping[Future[Outcomes], Sequence[str]]) -> None:
        """Save the ensembles that were in work when another one failed."""
        for future in wait(running).done:
            if not future.cancelled() and future.exception() is None:
                self._save(running[future], future.result())

    def _claimed(self, chunks: Iterable[Sequence[str]]) -> Iterator[list[str]]:
        for chunk in chunks:
            ours = self._store.claim(chunk)
            if ours:
                yield [key for key in chunk if key in ours]

    def _save(self, keys: Sequence[str], found: Outcomes) -> None:
        self._store.save(
            [
                Record(key, self._known[key].seed, one.curves, one.seconds, versions())
                for key, one in zip(keys, found, strict=True)
                if isinstance(one, Trained)
            ]
        )

    def _expect_trained(self, keys: Sequence[str], found: Outcomes) -> None:
        for key, one in zip(keys, found, strict=True):
            if isinstance(one, ChainruleError):
                raise _not_trained(self._known[key].settings, one) from one


def _submitted(executor: Executor, make: Make | bytes, all_settings: Sequence[Settings]) -> Future[Outcomes]:
    try:
        return executor.submit(train_apart, make, all_settings)
    except Exception as error:
        raise ChainruleError(
            f"sweep: executor must be open and whole, got one that takes no task ({one_line(error).rstrip('.')}). "
            "Pass a new one to the same sweep, which goes on with the rest."
        ) from error


def train_apart(make: Make | bytes, all_settings: Sequence[Settings]) -> Outcomes:
    """Train an ensemble in a worker; where others may work beside it in their own processes, on one thread."""
    if not isinstance(make, bytes):
        return _trained(make, all_settings)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _noted(_trained(_unpickled(make), all_settings))
    finally:
        torch.set_num_threads(threads)


def _trained(make: Make, all_settings: Sequence[Settings]) -> Outcomes:
    members = list(_made(make, all_settings))
    return train_each([member.trial for member in members], [member.seed for member in members])


def _noted(found: Outcomes) -> Outcomes:
    """Note on each error the traceback of its cause, which pickling leaves out."""
    for error in {id(one): one for one in found if isinstance(one, ChainruleError)}.values():
        if error.__cause__ is not None:
            error.add_note("".join(traceback.format_exception(error.__cause__)))
    return found


def workers_of(executor: Executor) -> int:
    """Return how many tasks an executor works on at a time, as far as it tells."""
    with suppress(Exception):
        return sum(executor._client.nthreads().values())  # type: ignore[attr-defined]  # Dask's
    return int(getattr(executor, "_max_workers", 1))


def _planned(missing: Mapping[str, Member], keys: Keys, workers: Workers) -> list[list[str]]:
    """Return the keys of what is missing in chunks, each to be trained as one ensemble, the largest first."""
    count = 1 if workers.executor is None else workers_of(workers.executor)
    of_trial: dict[int, list[str]] = {}
    for key, member in missing.items():
        of_trial.setdefault(id(member.trial), []).append(key)
    firsts = [missing[found[0]] for found in of_trial.values()]
    chunks: list[list[str]] = []
    for group in groups_of([member.trial for member in firsts], keys):
        first = firsts[group[0]]
        free = available(first.trial.build.get("device", "cpu"))
        limit = free * SHARE / count if workers.memory is None else workers.memory
        try:
            fitting = need_of(first.trial).members(int(limit))
        except Exception as error:
            raise _not_trained(first.settings, error) from error
        together = [key for i in group for key in of_trial[id(firsts[i].trial)]]
        most = min(fitting, math.ceil(len(together) / count), workers.members or len(together))
        chunks += chunks_of(together, most)
    return sorted(chunks, key=len, reverse=True)


def _not_trained(settings: Settings, error: Exception) -> ChainruleError:
    if isinstance(error, BrokenProcessPool):
        return ChainruleError(
            "sweep: a worker died before its ensemble was done. Run the sweep again, which goes on with the rest; a "
            f"script whose workers die at their start lacks {GUARD} above its call of sweep."
        )
    what = str(error) if isinstance(error, ChainruleError) else one_line(error)
    return ChainruleError(f"sweep: {_named(settings)} cannot be trained: {what}")


def _made(make: Make, all_settings: Iterable[Settings]) -> Iterator[Member]:
    """Yield the trials of all settings; those that differ by the seed alone are one, made once."""
    made: dict[str, Trial] = {}
    for settings in all_settings:
        own = {name: copy.deepcopy(value) for name, value in settings.items() if name != SEED}
        seed: Any = settings[SEED]
        if (same := repr(own)) not in made:
            try:
                made[same] = make(own)
            except Exception as error:
                what = str(error) if isinstance(error, ChainruleError) else one_line(error)
                raise ChainruleError(f"sweep: {_named(settings)} cannot be made: {what}") from error
        yield Member(made[same], seed, settings)


def _expect_no_worker_at_its_start() -> None:
    """Raise ChainruleError in a worker that imports the script of the sweep that started it, and would wait for it."""
    if getattr(current_process(), "_inheriting", False):  # as multiprocessing itself sees it
        raise ChainruleError(
            "sweep: a script must call it under a guard, since each worker process imports the script, got a call "
            f"during that import. Write {GUARD} above the call."
        )


def _expect_repeatable(make: Make, member: Member, key: str) -> None:
    (again,) = _made(make, [member.settings])
    if Keys().of(again.trial, again.seed) != key:
        raise ChainruleError(
            f"sweep: build must make the same trial whenever it is called, got two for {_named(member.settings)}. "
            "Leave random numbers to the seed."
        )


def _expect_no_files(members: Iterable[Member]) -> None:
    for callback in {id(one): one for member in members for one in member.trial.fit.get("callbacks", ())}.values():
        for name in TARGETS:
            if isinstance(path := getattr(callback, name, None), str | Path):
                raise ChainruleError(
                    f"sweep: callbacks must write no file, since each ensemble would begin it anew, got "
                    f"{label(callback)} with {name} {path}. Leave it out, since the results have every curve; if it "
                    f"is read, call it other than {name}."
                )


def _named(settings: Settings) -> str:
    return f"the trial {', '.join(f'{name}={value!r}' for name, value in settings.items())}"


def _pickled(make: Make) -> bytes:
    try:
        from cloudpickle import dumps  # comes with Dask, and takes functions of a notebook too
    except ImportError:
        from pickle import dumps
    try:
        return dumps(make)  # type: ignore[no-any-return]
    except Exception as error:
        raise ChainruleError(
            f"sweep: what an executor's workers need must be picklable, got {one_line(error).rstrip('.')}. "
            "Write build at the top of a module."
        ) from error


@lru_cache(maxsize=1)
def _unpickled(pickled: bytes) -> Make:
    return pickle.loads(pickled)  # type: ignore[no-any-return]  # noqa: S301 - from the process that asks for it
