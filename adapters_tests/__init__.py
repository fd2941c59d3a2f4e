"""The tests, in rooms named after those of the house; fixtures that many rooms use are in `conftest`."""
