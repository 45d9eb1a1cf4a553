from __future__ import annotations

import io

import pytest
from rich.console import Console

from stanalysis.progress import Progress, tell

NAMED = "a[/x]b[bold]"


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def lines_of(console):
    return console.file.getvalue().splitlines()


def plain(**options):
    return Console(file=io.StringIO(), force_terminal=False, width=20, **options)


def test_progress__writes_the_first_the_last_and_a_line_every_half_minute_elsewhere():
    console, clock = plain(), Clock()
    with Progress(console, monotonic=clock) as progress:
        for epoch in range(1, 101):
            clock.now += 1
            progress.reached(epoch, 100, f"epoch {epoch}/100  of a line longer than the console")
    told = [line.split()[1] for line in lines_of(console)]
    assert told == ["1/100", "31/100", "61/100", "91/100", "100/100"]
    assert lines_of(console)[1] == "epoch 31/100  of a line longer than the console  about 0:01:09 left"
    assert lines_of(console)[-1] == "epoch 100/100  of a line longer than the console"


def test_progress__reckons_from_where_it_goes_on():
    console, clock = plain(), Clock()
    with Progress(console, monotonic=clock) as progress:
        clock.now += 500  # preparing
        progress.start(40)
        clock.now += 10
        progress.reached(42, 50, "epoch 42/50")
    assert lines_of(console) == ["epoch 42/50  about 0:00:40 left"]


def test_progress__quotes_names():
    console, clock = plain(), Clock()
    with Progress(console, monotonic=clock) as progress:
        progress.tell(f"{NAMED} first")
        progress.doing(f"{NAMED} \x1b[2J")
        progress.doing("too soon")
        progress.moved(1, 2, "never a line")
    assert lines_of(console) == [f"{NAMED} first", f"{NAMED} �[2J"]


def test_progress__is_written_at_once():
    class Flushed(io.StringIO):
        flushed = ""

        def flush(self):
            self.flushed = self.getvalue()

    console = Console(file=Flushed(), force_terminal=False)
    with Progress(console) as progress:
        progress.reached(1, 3, "epoch 1/3")
        assert console.file.flushed.startswith("epoch 1/3")


def test_progress__is_a_bar_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    console, clock = Console(file=io.StringIO(), force_terminal=True, force_jupyter=False, width=80), Clock()
    with Progress(console, monotonic=clock) as progress:
        progress.reached(1, 3, f"{NAMED} 1/3")
        progress.bar.refresh()
        assert not progress.is_due()
    shown = console.file.getvalue()
    assert "━" in shown
    assert f"{NAMED} 1/3" in shown
    assert "left" not in shown


@pytest.mark.parametrize("options", [{"force_terminal": True, "force_jupyter": True}, {"force_terminal": False}])
def test_progress__draws_nothing_anew_in_a_notebook_or_a_file(options, monkeypatch):
    console, told = Console(file=io.StringIO(), **options), []
    with Progress(console, monotonic=Clock()) as progress:
        monkeypatch.setattr(progress, "tell", told.append)  # rich would look for IPython
        for i in range(100):
            progress.doing(f"drawing {i} …")
        assert not progress.bar.live.is_started
    assert told == ["drawing 0 …"]
    assert console.file.getvalue() == ""


def test_progress__draws_nothing_anew_on_a_dumb_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    console = Console(file=io.StringIO(), force_terminal=True)
    with Progress(console, monotonic=Clock()) as progress:
        progress.doing("drawing …")
    assert lines_of(console) == ["drawing …"]


def test_tell__a_pipe_that_is_closed_stops_nothing():
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    console = Console(file=Closed())
    tell(console, "epoch 1/3")
    tell(console, "epoch 2/3")
    assert console.quiet
