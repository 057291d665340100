"""Values that the speaking and the learning half share."""
