"""What people look at: text tables, figures, and the page, out of plain data."""
