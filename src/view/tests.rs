//! Whole frames, as users see them.

mod alerts;
mod back;
mod fixture;
mod fleet;
mod frames;
mod idle;
mod pointer;
mod problems;
mod screens;
mod states;
mod steps;
mod unknown;
mod widths;
