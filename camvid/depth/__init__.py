"""Dense depth: triangulated flow, filling, and alignment of relative inverse depth."""
