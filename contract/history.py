"""The result of a repair of the history."""

from recovery.base_model import Model


class HistoryRepair(Model):
    """The result of a repair.

    Attributes:
        repaired: keys of the items that were written.
        remaining: keys of the items that still differ.
    """

    repaired: list[str]
    remaining: list[str]
