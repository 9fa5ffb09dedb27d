"""How fast plans come up, measured beside simpler ways of launching them."""
