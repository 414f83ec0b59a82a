"""What to do about a node: pure decisions, one file a step, called in a fixed order over one node record.

release (what is not wanted any more) -> launch (what is wanted and has nothing) -> join (what is on its way) ->
watch (what serves) -> sweep (what nobody asked for). Each step returns the record as it stands after it, and effects.
"""
