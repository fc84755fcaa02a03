"""Bare-array loops: one package per machine, the same names in each."""
