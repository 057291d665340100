"""The one exception a user is meant to read."""


class SoriError(Exception):
    """A fault in what the user gave: one line that says what was wrong and what to do.

    The command line prints the message and exits with status 2; a library caller catches this
    class. Anything else that escapes is a defect of ours.
    """
