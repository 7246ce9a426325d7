"""Tables to words, figures and one page."""
