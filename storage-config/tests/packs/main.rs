//! Packs and disks as their callers see them: golden bytes, damage, loss of power, faults, frozen packs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests say what went wrong by panicking"
)]

mod damage;
mod disks;
mod faults;
mod frozen;
mod golden;
mod power_loss;
mod reading;
mod sample;
