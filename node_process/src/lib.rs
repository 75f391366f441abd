//! Turns a cluster snapshot into a scaling decision.
