"""The recipe `pebble`: which stone a pebble is of, by three measurements; it trains in a second.

It needs no torch. Its entry points are not those of the package, so that no user sees it among the
shipped recipes.
`entry_points.use_tiny_recipe` makes it known to this process and to its children.
"""
