"""The command's progress on a terminal."""

import io

from netmind_client import DownloadProgress
from netmind_client._models import read_generation
from netmind_client.batch import BatchProgress
from netmind_client.cli.output import Progress

ID = "6347623b2fce4998b0e842f7e935ccb0"


class TestProgress:
    def terminal(self, monkeypatch):
        """Replace stderr by a terminal. This is not a fixture, because pytest replaces stderr after fixtures."""
        terminal = io.StringIO()
        terminal.isatty = lambda: True
        monkeypatch.setattr("sys.stderr", terminal)
        return terminal

    def lines(self, terminal):
        return [line.rstrip() for line in terminal.getvalue().split("\r")]

    def test_a_terminal_shows_the_status(self, generation, monkeypatch):
        terminal = self.terminal(monkeypatch)
        with Progress() as progress:
            progress.polled(read_generation(generation("processing")))
        assert self.lines(terminal) == ["", f"{ID}: processing, 0 s"]

    def test_a_terminal_shows_the_progress_of_a_download(self, monkeypatch):
        terminal = self.terminal(monkeypatch)
        with Progress() as progress:
            progress.received(DownloadProgress(ID, 1, 1, 250_000, 1_000_000))
            progress.received(DownloadProgress(ID, 2, 3, 1_500_000, None))
        assert self.lines(terminal) == [
            "",
            "downloading [########                      ]  25% of 1.0 MB",
            "downloading 2/3 1.5 MB",
        ]

    def test_a_terminal_shows_the_progress_of_a_batch(self, monkeypatch):
        terminal = self.terminal(monkeypatch)
        with Progress() as progress:
            progress.begun(2)
            progress.ended(BatchProgress(1, 1, 2, None))
        assert self.lines(terminal) == [
            "",
            "[                              ] 0 of 2",
            "[###############               ] 1 of 2, 1 failed",
        ]

    def test_a_line_is_no_wider_than_the_terminal(self, generation, monkeypatch):
        monkeypatch.setenv("COLUMNS", "20")
        terminal = self.terminal(monkeypatch)
        with Progress() as progress:
            progress.polled(read_generation(generation("processing")))
        assert self.lines(terminal)[1] == ID[:19]

    def test_a_pipe_gets_no_progress(self, generation, capsys):
        with Progress() as progress:
            progress.polled(read_generation(generation("processing")))
        assert capsys.readouterr().err == ""
