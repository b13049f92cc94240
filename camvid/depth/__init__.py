"""Dense depth: least squares over flow, planes and edges, and over where movers stand."""
