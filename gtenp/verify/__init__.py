"""For porters: every value of the model under a name (``trace``), the first of another
implementation's that is off and the likely mistake (``verify``), and the model as other runtimes
run it here (``live``).
"""
