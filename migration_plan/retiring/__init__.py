"""The stage `retired`: the monolith's side is proved dead, then the streams go."""
