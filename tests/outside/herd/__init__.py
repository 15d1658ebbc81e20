"""A codec from outside Tidemill whose payloads ask for many items: the animals of a herd."""
