//! The built-in launcher on the real kernel. What is asserted is what the process inside sees.

mod harness;
mod start;
