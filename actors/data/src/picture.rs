//! Any encoded image → upright 8-bit RGB, within the limits, by content (JPEG or PNG), never by name.
//! Not here: crops and resizing (see `resample`).
