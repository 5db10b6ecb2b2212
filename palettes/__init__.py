"""Ground floor: colours and the vocabulary that bytes and colours share."""
