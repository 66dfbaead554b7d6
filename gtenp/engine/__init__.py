"""``input_ids`` → vectors, fast: float32, without padding, in all threads.

``batch`` puts texts side by side, ``encoder`` takes them through the layers with the arithmetic of
``kernels``, ``pooling`` makes one vector of each text's tokens. ``parallel`` has the threads.
"""
