"""The command line, as the tests call it."""

import subprocess
import sys

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
