//! Prints one line: what a process costs before it does anything.

#![allow(clippy::print_stdout, reason = "printing is all that it does")]

fn main() {
    println!("hello");
}
