//! Behaviour at the boundaries, through real clients
