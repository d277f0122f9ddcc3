//! The real binary, from outside: what a user types, sees and finds on disk.

mod answers;
mod compare;
mod config;
mod consent;
mod contract;
mod crash;
mod data;
mod disk;
mod docs;
mod doctor;
mod figures;
mod gate;
mod google;
mod init;
mod interrupt;
mod jobs;
mod keys;
mod openai;
mod plan;
mod predict;
mod providers;
mod reports;
mod run;
mod shard;
mod split;
mod support;
