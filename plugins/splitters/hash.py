"""A part for each key, for good."""

import polars as pl
from pydantic import Field

from engine.errors import ConfigError
from engine.plugin import Roles, Shares
from plugins.splitters._shares import part
from plugins.splitters._text import texts_of


class Hash(Shares):
    """Let a row's key decide its part, so that the row keeps it for good, whatever rows are added or taken away.

    All rows of one key stay together: with ``columns: [customer]`` no customer is both learned from and tested on.
    The shares hold on average over many keys, not exactly.

    The hash is MurmurHash3 of the key's text (times: microseconds since 1970), the same on every machine and for every
    version; Polars' own hash promises neither. It takes about 0.3 s for a million rows.
    """

    columns: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="The columns that make the key. Left out, the dataset's key."
    )
    seed: int = Field(
        default=0, ge=0, lt=2**31, description="A number that shifts every key to another part; keep it for good."
    )

    def needs(self, roles: Roles) -> list[str]:
        return list(self._columns(roles))

    def assign(self, roles: Roles) -> pl.Expr:
        columns = self._columns(roles)
        lot = pl.struct(columns).map_batches(self._lots, return_dtype=pl.Int64)
        return part(self, lot, pl.lit(2**32))

    def _columns(self, roles: Roles) -> tuple[str, ...]:
        columns = self.columns or roles.key
        if not columns:
            raise ConfigError(
                "the splitter hash needs a key",
                expected="columns that say which rows belong together",
                found="no key in the dataset",
                hint="set `key:` of the dataset that the view starts from, or splitter.columns",
            )
        return columns

    def _lots(self, keys: pl.Series) -> pl.Series:
        """Return a number from 0 below 2**32 for each key."""
        from sklearn.utils import murmurhash3_32

        lots = [murmurhash3_32(one, seed=self.seed, positive=True) for one in texts_of(keys).to_list()]
        return pl.Series(lots, dtype=pl.Int64)
