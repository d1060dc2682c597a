"""The console: what `fig` shows and does, on pages; a shell over the same functions as the commands."""
