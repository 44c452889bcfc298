"""What every room stands on: files, names, progress, optional packages. It knows no other room."""
