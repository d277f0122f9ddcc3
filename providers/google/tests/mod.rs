//! The provider against servers on this machine.
