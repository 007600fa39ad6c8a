//! The SFU between real WebRTC engines on a virtual network in virtual time. Nothing sleeps, and all runs are the same.

#![allow(
    unreachable_pub,
    reason = "the modules of a test are not reached from outside"
)]

mod allocation;
mod av1;
mod carried;
mod codecs;
mod download;
mod estimation;
mod forged;
mod forwarding;
mod hostile;
mod ice;
mod inlets;
mod joins;
mod keyframes;
mod layers;
mod lifecycle;
mod limits;
mod narrow;
mod parameter_sets;
mod paths;
mod recovery;
mod redundancy;
mod sdp;
mod sending;
mod shed;
mod simulcast;
mod spatial;
mod srtp;
mod statistics;
mod support;
mod taps;
mod temporal;
mod wishes;
mod workers;
