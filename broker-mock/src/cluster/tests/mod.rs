//! Stories of the machine, in exact time.
