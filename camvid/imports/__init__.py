"""Clips with cameras that someone else made: one small reader for each format."""
