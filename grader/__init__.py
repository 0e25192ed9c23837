"""Grades gradient-descent notebooks and checks the report that comes with them."""
