"""How fast a model is on this machine (``speed``), and how well its scores agree with people's
(``quality``).
"""
