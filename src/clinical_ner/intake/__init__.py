"""The door: new notes are read, held against a contract, and taken in or quarantined with a reason."""
