"""Tables in, tests out: no model and no study is known here."""
