"""The commands: options in, files and an exit status out."""
