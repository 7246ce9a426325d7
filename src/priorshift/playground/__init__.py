"""A finished study's adapters, live: type a stem, and see what each run says next."""
