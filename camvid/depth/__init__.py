"""Dense depth: triangulated flow, fused; movers on the ground; aligned relative inverse depth."""
