"""A recipe from outside Tidemill: which stone a pebble is of, learnt with numpy in a moment.

It is a package like any other, found by the entry points beside it. Put the folder that holds both
on the path, and every command knows the recipe `pebble`.
"""
