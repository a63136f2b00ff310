"""Weights that others saved, as the one decoder of transformer.py."""
