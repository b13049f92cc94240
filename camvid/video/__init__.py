"""Videos in: find, probe, decode, and cut into clips."""
