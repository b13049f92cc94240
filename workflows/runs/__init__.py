"""A run's folder: its settings and state, what is booked of each clip, and what gathers it."""
