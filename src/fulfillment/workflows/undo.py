"""
What has to be undone if the order fails: registered before each step, run in reverse.
"""

from collections.abc import Awaitable, Callable

Undo = Callable[[], Awaitable[None]]


class UndoStack:
    """
    Undos by name, newest last. Each tolerates that its step never happened, because a step whose outcome is unknown
    has to be undone too.
    """

    def __init__(self) -> None:
        self._undos: dict[str, Undo] = {}

    def register(self, name: str, undo: Undo) -> None:
        """To be called before the step."""
        self._undos[name] = undo

    def forget(self, name: str) -> None:
        """The step was refused: it is known that nothing happened."""
        del self._undos[name]

    async def run(self) -> None:
        """Undo everything, newest first."""
        while self._undos:
            await self._undos.popitem()[1]()
