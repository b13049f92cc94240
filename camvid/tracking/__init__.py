"""Point tracks: corners followed through a clip, and the objects that they lie on."""
