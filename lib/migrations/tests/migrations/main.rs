//! Real folders, read through the public interface.

mod compare;
mod detection;
mod files;
mod layouts;
mod marks;
#[cfg(test)]
mod support;
