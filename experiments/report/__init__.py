"""What a study found: read from the store, compared, and told in words, tables, figures and one page."""
