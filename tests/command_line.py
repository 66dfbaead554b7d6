"""The command line, as the tests call it."""

import os
import struct
import subprocess
import sys

import pytest
from click.testing import CliRunner
from places import DATA

from gtenp.cli import main

TINY = str(DATA / "tiny")


def run(*arguments, stdin=None, **environment):
    """In this process: what it printed, what it complained of, its status."""
    return CliRunner(env={"GTENP_MODEL": None, **environment}).invoke(main, arguments, input=stdin)


def gtenp_process(*arguments, **options):
    """As a process of its own."""
    command = [sys.executable, "-m", "gtenp", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def gtenp_on_a_terminal(*arguments):
    """As a process whose standard error is a terminal of 80 columns: its status, what was shown."""
    fcntl, pty, termios = map(pytest.importorskip, ("fcntl", "pty", "termios"))
    terminal, its_end = pty.openpty()
    fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    command = [sys.executable, "-m", "gtenp", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=its_end)
    os.close(its_end)
    shown = b""
    try:
        while chunk := os.read(terminal, 4096):
            shown += chunk
    except OSError:  # how Linux ends it
        pass
    os.close(terminal)
    return process.wait(60), shown.decode()
