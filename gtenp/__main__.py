"""``python -m gtenp``: the command line without its script."""

from gtenp.cli import main

main()
