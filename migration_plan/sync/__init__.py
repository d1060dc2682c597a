"""The stage `sync`: what a domain has two sides with, how far its streams are, and steering them by hand."""
