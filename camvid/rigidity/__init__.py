"""Does this track, this object, move? One posterior probability, from tracks and known cameras."""
