"""Reading and writing any picture file, whole or by rows."""
