"""Composition and loops: the only place that names concrete classes."""
