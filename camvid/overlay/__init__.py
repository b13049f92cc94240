"""What is fixed to the image rather than to the world: logos, subtitles, clocks, hoods, insets."""
