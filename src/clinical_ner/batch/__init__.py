"""More notes than one process should read: shards, who works on them, and a folder that can be continued."""
