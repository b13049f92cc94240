"""Folders of numbered images as videos: which images belong together, in which order, and when."""
