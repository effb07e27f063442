"""What can go wrong with the local stack, in words that name the fix."""

from monitor.errors import PlumblineError


class StackError(PlumblineError):
    """The local stack cannot start, stop or be understood; the message gives the fix."""
