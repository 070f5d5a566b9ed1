"""The words about numbers: what is measured, how it is evaluated, what is shown."""
