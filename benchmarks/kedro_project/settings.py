"""Nothing differs from Kedro's own settings."""
