"""How far a job is: lines in its log, and one line in a file that `sam2pal status` and the terminal show."""

import json
import math
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")
SUFFIX = ".state"
SILENT = 60  # seconds after which a job whose state is not renewed has been killed
_LINES, _STATES = 10.0, 1.0  # seconds between two lines of the log, and between two states


class Progress:
    """Counts the steps of a job.

    The log gets a line every ten seconds, of a job that ends before that only what it loads, and the state is
    renewed as often: of a job whose state is old the process is gone.
    """

    def __init__(
        self,
        path: str | Path | None,
        unit: str,
        total: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = None if path is None else Path(path)
        self.unit, self.total, self.done = unit, total, 0
        self._clock, self._began = clock, clock()
        self._said = self._wrote = self._began
        self._first: tuple[float, int] | None = None  # a job that goes on does not begin at 0
        self._text = ""
        self._lock, self._ended = threading.Lock(), threading.Event()

    def __enter__(self) -> "Progress":
        self._write("running", force=True)
        threading.Thread(target=self._renew, daemon=True).start()
        return self

    def _renew(self) -> None:
        while not self._ended.wait(_LINES):
            self._tell()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._ended.set()
        if error is None:
            self.done = self.total
        first = str(error).strip().split("\n")[0] if error else ""
        self._write("failed" if error else "done", force=True, error=first)

    def update(self, steps: int = 1, text: str = "") -> None:
        """Some steps are done; `text` is what else to show, such as the loss."""
        self.done = min(self.done + steps, self.total)
        self._text = text
        if self._first is None:
            self._first = self._clock(), self.done
        self._tell()

    def _tell(self) -> None:
        self._write("running")
        now = self._clock()
        if now - self._said >= _LINES:
            self._said = now
            print(progress_line(self._state("running")), file=sys.stderr, flush=True)

    def loads(self, text: str) -> None:
        """What is about to be loaded, which may take a minute on a busy machine: said at once."""
        print(f"loading {text} ...", file=sys.stderr, flush=True)
        self.say(f"loading {text}")

    def say(self, text: str) -> None:
        """What is being done before the first step."""
        self._text = text
        self._write("running", force=True)

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, each of which is a step."""
        for item in items:
            yield item
            self.update()

    def _state(self, status: str, error: str = "") -> dict[str, Any]:
        rate = None
        if self._first is not None and self.done > self._first[1]:
            rate = (self._clock() - self._first[0]) / (self.done - self._first[1])
        left = None if rate is None else rate * (self.total - self.done)
        return {
            "status": status,
            "done": self.done,
            "total": self.total,
            "unit": self.unit,
            "seconds_each": None if rate is None else round(rate, 3),
            "seconds_left": None if left is None else round(left),
            "seconds": round(self._clock() - self._began, 1),
            "text": self._text,
            "error": error,
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }

    def _write(self, status: str, force: bool = False, error: str = "") -> None:
        with self._lock:
            now = self._clock()
            ended = status == "running" and self._ended.is_set()
            if self.path is None or ended or not (force or now - self._wrote >= _STATES):
                return
            self._wrote = now
            temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                state = json.dumps(self._state(status, error))
                temporary.write_text(f"{state}\n", encoding="utf-8")
                os.replace(temporary, self.path)
            except OSError:
                self.path = None  # a full disk is said by what writes results


def progress_line(state: dict[str, Any]) -> str:
    """One line: step, rate and time left."""
    unit, each, left = state["unit"], state["seconds_each"], state["seconds_left"]
    parts = [f"{unit} {state['done']} of {state['total']}"]
    if each is not None:
        rate = f"{each:.1f} s each" if each >= 0.5 else f"{1 / max(each, 1e-6):.1f} a second"
        parts += [rate, f"{clock(left)} left"]
    elif state["seconds"] >= _LINES:
        parts.append(f"{clock(state['seconds'])} so far")
    return ", ".join([*parts, *([state["text"]] if state["text"] else [])])


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def states(logs: Path) -> dict[str, dict[str, Any]]:
    """State and age in seconds of every job that wrote one, by the path of its log without suffix."""
    found = {}
    for path in sorted(logs.rglob(f"*.log{SUFFIX}")):
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            state["age"] = max(time.time() - path.stat().st_mtime, 0)
        except (OSError, ValueError):
            continue  # being replaced
        found[path.relative_to(logs).as_posix().removesuffix(f".log{SUFFIX}")] = state
    return found


class ProgressDisplay:
    """What the terminal is told of jobs: at once what they load, then every ten seconds how far they are."""

    def __init__(self) -> None:
        self._began = time.time()
        self._told: dict[str, tuple[float, str]] = {}  # when, and which line

    def lines(self, found: dict[str, dict[str, Any]]) -> Iterator[str]:
        """What is new."""
        now = time.time()
        for name, state in found.items():
            if state["status"] != "running" or state["age"] > min(2 * _LINES, now - self._began):
                continue
            when, before = self._told.get(name, (-math.inf, ""))
            if state["seconds"] < _LINES:
                begins = not before and not state["done"] and state["text"]
                line = f"{name}: {state['text']} ..." if begins else ""
            else:
                line = f"{name}: {progress_line(state)}"
            if line and line != before and now - when >= _LINES:
                self._told[name] = now, line
                yield line


def watch(logs: Path) -> None:
    """Show in the terminal how far jobs are, from a thread of its own."""

    def show() -> None:
        shown, took = ProgressDisplay(), 0.0
        while True:
            time.sleep(max(1.0, 20 * took))  # a folder of very many logs is looked at less often
            began = time.monotonic()
            for line in shown.lines(states(logs)):
                print(line, file=sys.stderr, flush=True)
            took = time.monotonic() - began

    threading.Thread(target=show, daemon=True).start()
