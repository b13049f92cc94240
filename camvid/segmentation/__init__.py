"""Masks of what may move: evidence of motion, instances, ids that persist."""
