"""The books of a run: what was done, what is finished, and the index of its clips."""
