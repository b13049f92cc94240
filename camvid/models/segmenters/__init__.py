"""Segmenters: masks of single frames, or of a whole clip."""
