//! Reads the Mesos master's /state and publishes one cluster snapshot per pool.
