"""Ridge regression at one penalty."""
