"""One colour per object id, the same in the overlay, the plots and the tables.

Five hues that any colour vision distinguishes, beside each other in lightness too. Images take
the bright variant; pages take `var(--object-N)`, which style.css defines for light and dark.
"""

RGB = tuple[int, int, int]

OBJECT_RGB: tuple[RGB, ...] = (
    (255, 132, 38),  # orange
    (64, 176, 255),  # sky blue
    (28, 209, 150),  # green
    (240, 130, 200),  # pink
    (250, 225, 70),  # yellow
)
BACKGROUND_RGB: RGB = (205, 210, 216)
POINT_RGB: RGB = (255, 255, 255)


def object_slot(object_id: int) -> int:
    """1 to 5, the number in `--object-N`; ids beyond the fifth start again."""
    return (object_id - 1) % len(OBJECT_RGB) + 1


def object_round(object_id: int) -> int:
    """0 for the first five ids, 1 for the next five: distinguishes ids of the same colour."""
    return (object_id - 1) // len(OBJECT_RGB)


def object_rgb(object_id: int) -> RGB:
    return OBJECT_RGB[object_slot(object_id) - 1] if object_id > 0 else BACKGROUND_RGB
