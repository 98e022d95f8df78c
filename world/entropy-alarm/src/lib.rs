//! Nothing here: the crate exists for its test, the only place of the workspace with `unsafe` code.
