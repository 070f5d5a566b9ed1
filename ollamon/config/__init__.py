"""The one file, ollamon.toml: its model, how it is read, and where things lie."""
