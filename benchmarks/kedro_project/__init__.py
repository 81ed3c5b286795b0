"""The flights' training matrix as a project of Kedro: nodes, a pipeline, datasets in a catalog."""
