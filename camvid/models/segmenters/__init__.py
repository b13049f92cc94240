"""Segmenters with weights: masks of single frames, or of a whole clip from prompts."""
