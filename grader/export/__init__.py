"""Writes grades for other programs; every format is made from the same records."""
