"""Shards as training reads them: samples of all kinds, their order, cached and packed forms."""
