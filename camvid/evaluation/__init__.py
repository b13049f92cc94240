"""Scores a run against ground truth, where there is some."""
