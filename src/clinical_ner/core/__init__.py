"""What every layer may import: tables, parameters, files, seeds, spans and errors."""
