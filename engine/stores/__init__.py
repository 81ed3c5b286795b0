"""Where results and their history are kept: immutable files, and a catalog that says what they are."""
