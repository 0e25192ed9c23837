"""The optimizers of the homework in plain NumPy, readable as a textbook."""
