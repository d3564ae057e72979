//! The engine from outside, in one binary.

mod ahead;
mod amplification;
mod basics;
mod elsewhere;
mod following;
mod fuzzed;
mod increment;
mod inspect;
mod latch;
mod learn;
mod opening;
mod patches;
mod racing;
mod recovery;
mod review;
mod support;
mod vector;
mod vectors;
mod verbs;
mod verify;
