"""The report of a study: its trials read from the store, compared, in sentences, tables, figures and one page."""
