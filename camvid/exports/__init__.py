"""Clips in other tools' formats: one module a format, one `View` of a clip for all of them.

F frames of a view; shapes, axes and units are otherwise those of `camvid.dataset.clip`.
"""
