"""`camvid settings`: the settings of `curate`."""


def command() -> None:
    """Print every setting of curate: its default, its unit and what it means, as Markdown."""
    from workflows.settings_page import settings_page

    print(settings_page(), end="")
