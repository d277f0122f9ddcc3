//! The tunebench program as a library.
