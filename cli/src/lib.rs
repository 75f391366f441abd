//! The command line of Lambda Scale.
