//! Which device to train on.
