"""`camvid settings`: the settings of `curate`."""


def command() -> None:
    """Print every setting of curate, with default and meaning.

    As Markdown.
    """
    from workflows.settings_page import settings_page

    print(settings_page(), end="")
