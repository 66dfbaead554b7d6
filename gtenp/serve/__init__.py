"""Vectors and scores over HTTP: ``gtenp serve``."""
