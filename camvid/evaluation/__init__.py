"""How far a run is from the truth, where the truth is known."""
