"""The safety states: their table, what causes them, what people may do in them."""
