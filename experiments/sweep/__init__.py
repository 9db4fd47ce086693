"""Many trials: checked first, then trained by worker processes, then shown; and commands to look after them."""
