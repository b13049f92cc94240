"""The dataset from Python: runs and shards opened, their clips as arrays."""
