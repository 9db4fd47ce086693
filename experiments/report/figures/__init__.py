"""The figures of a report, as matplotlib figures. Colour is never the only difference between two things."""
