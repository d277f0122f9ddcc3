//! The real binary, from outside: what a user types, sees and finds on disk.

mod config;
mod contract;
mod crash;
mod data;
mod docs;
mod google;
mod interrupt;
mod jobs;
mod openai;
mod providers;
mod run;
mod support;
