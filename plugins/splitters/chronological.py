"""The past to learn from, the future to be judged by."""

import polars as pl
from pydantic import Field

from engine.plugin import Roles, Shares
from plugins.splitters._shares import bounds, chosen, time_column


class Chronological(Shares):
    """Train on the earliest rows, validate on later ones and test on the latest.

    The honest choice wherever predictions are about the future. Rows of equal time stay together in the earlier part,
    so the shares are exact only up to the rows of one time. Rows without a time are trained on, and do not count for
    the shares.
    """

    column: str | None = Field(
        default=None, description="The column that orders rows: times, dates or numbers. Left out, the dataset's time."
    )

    def needs(self, roles: Roles) -> list[str]:
        return [time_column(self.column, roles, "chronological")]

    def assign(self, roles: Roles) -> pl.Expr:
        time = pl.col(self.needs(roles))
        in_order = time.drop_nulls().sort()
        # A row is among the first n just if it is no later than the n-th: one sort of the times, and no ranks.
        first, second = (
            (until > 0) & (time <= in_order.get(until - 1, null_on_oob=True)) for until in bounds(self, time.count())
        )
        return chosen(time.is_null() | first, second)
