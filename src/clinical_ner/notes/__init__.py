"""What is written about the patients: clinical text with gold spans, in words."""
