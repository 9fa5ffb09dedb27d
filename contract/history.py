"""What a repair of the history answers."""

from recovery.base_model import Model


class HistoryRepair(Model):
    """What became of a repair.

    Attributes:
        repaired: keys of the items that were written.
        remaining: keys of the items that still differ.
    """

    repaired: list[str]
    remaining: list[str]
