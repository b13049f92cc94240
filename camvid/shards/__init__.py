"""Shards: the dataset as it lies on disk, a clip a row."""
