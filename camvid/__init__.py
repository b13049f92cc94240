"""camvid: raw videos in; clips with cameras, depth, masks and motion strength out."""

__version__ = "0.2.0"
