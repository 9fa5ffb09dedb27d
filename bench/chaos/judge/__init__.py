"""What judges a drill after its end: its recorded history against the ledger of the local AWS."""
