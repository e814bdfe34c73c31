"""Reading it back: tokens, tags, features, training, the tagger, metrics and corpora."""
