"""The script is run, not collected: it imports what the default suite has not."""

collect_ignore = ["script.py"]
