"""One file per family of checks of a motion and its stop."""
