"""Files of texts to files of vectors, and searching these."""
