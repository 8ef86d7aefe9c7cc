"""How far a job is, in its log and in its state."""

import json
import time

import pytest

from sam2pal.io.progress import Progress, ProgressDisplay, clock, progress_line, states


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_quick_job_says_nothing_and_a_slow_one_every_ten_seconds(tmp_path, capsys):
    at = Clock()
    path = tmp_path / "Aus/trained/train_palindrome.log.state"
    with Progress(path, "step", 30, at) as bar:
        bar.say("what fits")
        assert states(tmp_path)["Aus/trained/train_palindrome"]["text"] == "what fits"
        for _ in range(25):
            at.now += 2
            bar.update(text="loss 0.5")
        assert json.loads(path.read_text())["done"] == 25
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "step 5 of 30, 2.0 s each, 0:50 left, loss 0.5" and len(lines) == 5
    state = states(tmp_path)["Aus/trained/train_palindrome"]
    assert (state["status"], state["done"], state["seconds_left"]) == ("done", 30, 0)
    with Progress(None, "step", 3, at) as bar:
        assert list(bar.over("abc")) == ["a", "b", "c"]
    assert not capsys.readouterr().err


def test_a_job_that_goes_on_counts_its_own_steps_for_its_rate(tmp_path):
    at = Clock()
    path = tmp_path / "a.log.state"
    with Progress(path, "step", 100, at) as bar:
        bar.update(50)
        at.now = 10
        bar.update(10)
        assert states(tmp_path)["a"]["seconds_left"] == 40
        bar.update(1000)
        assert states(tmp_path)["a"]["done"] <= 100


def test_a_job_that_fails_says_why_in_one_line(tmp_path):
    with pytest.raises(ValueError), Progress(tmp_path / "a.log.state", "step", 3):
        raise ValueError("no room\nand more")
    state = states(tmp_path)["a"]
    assert (state["status"], state["error"]) == ("failed", "no room")


def test_a_rate_is_said_as_people_do():
    state = {"unit": "specimen", "done": 3, "total": 9, "text": ""}
    state |= {"seconds_each": 0.1, "seconds_left": 4000}
    assert progress_line(state) == "specimen 3 of 9, 10.0 a second, 1:06:40 left"
    assert clock(61) == "1:01"


def test_what_a_job_loads_is_said_at_once_in_its_log_and_in_the_terminal(
    tmp_path, capsys, monkeypatch
):
    now = time.time()
    monkeypatch.setattr("sam2pal.io.progress.time.time", lambda: now)
    shown, at = ProgressDisplay(), Clock()
    with Progress(tmp_path / "Aus/segment.log.state", "specimen", 9, at) as bar:
        bar.loads("the model")
        assert capsys.readouterr().err == "loading the model ...\n"
        now += 1
        assert list(shown.lines(states(tmp_path))) == ["Aus/segment: loading the model ..."]
        at.now += 9
        now += 9
        bar.say("loading the model")
        assert not list(shown.lines(states(tmp_path)))  # said before
        at.now += 3
        now += 3
        bar.say("reading the templates")
        line = "Aus/segment: specimen 0 of 9, 0:12 so far, reading the templates"
        assert list(shown.lines(states(tmp_path))) == [line]
        bar.update()
        assert not list(shown.lines(states(tmp_path)))  # less than ten seconds ago
    now += 20
    assert not list(shown.lines(states(tmp_path)))  # ended
