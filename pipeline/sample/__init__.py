"""The bestiary: sample data that the project draws and writes itself, so that everything runs without a network."""
